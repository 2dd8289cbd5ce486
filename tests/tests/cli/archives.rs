//! `keepsake export`, `import`, `mirror` and `verify` of an archive: what is in a vault comes out, readable, and into another
//! vault, the same.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use keepsake_client::Vault;
use keepsake_tests::{
    command::{Ended, Served, run, run_and_kill},
    content::{noise, sha256},
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    account::Account,
    calls::answered,
    generated::{self, GENERATED},
};

/// The vault at `url` as the account sees it.
async fn as_account(account: &Account, url: &str) -> Vault {
    let told = account.json(&["identity"]);
    let key = told["path"].as_str().or(told["file"].as_str()).unwrap();
    let identity = keepsake_client::identity::load(Path::new(key)).unwrap();
    keepsake_tests::connect_as(url, identity).await
}

/// An account with two vaults, both empty.
fn two_vaults() -> (Account, Served) {
    let account = Account::new();
    let other = Served::start(&account.path("other state"));
    (account, other)
}

fn at(account: &Account, url: &str, args: &[&str]) -> Ended {
    let args = args.iter().copied().chain(["--url", url, "--json"]);
    run(account.folder.path(), args)
}

/// The summary of a run, and its memories by status.
fn summary(ended: &Ended) -> (Value, BTreeMap<String, Vec<Value>>) {
    let mut lines = ended.json_lines();
    let summary = lines.pop().expect("the summary is the last line");
    assert_eq!(summary["event"], "summary", "{ended:#?}");
    let mut by_status: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines {
        let status = line["status"].as_str().unwrap().to_owned();
        by_status.entry(status).or_default().push(line);
    }
    for (status, memories) in &by_status {
        assert_eq!(summary[status], memories.len(), "{status}: {summary}");
    }
    (summary, by_status)
}

/// Asserts that every memory has this status, and that there are as many.
#[track_caller]
fn all(ended: &Ended, status: &str, many: usize) -> Value {
    let (summary, by_status) = summary(ended);
    assert_eq!(
        by_status.get(status).map_or(0, Vec::len),
        many,
        "{ended:#?}"
    );
    assert_eq!(by_status.len(), usize::from(many > 0), "{ended:#?}");
    summary
}

fn manifests(dir: &Path) -> [Vec<u8>; 2] {
    ["manifest.jsonl", "manifest-sha256.txt"].map(|name| fs::read(dir.join(name)).unwrap())
}

/// Asserts that a folder is what its standard manifests say, neither more nor less, as any other program would find.
fn assert_is_a_bag(dir: &Path) {
    let mut listed = BTreeMap::new();
    for name in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        for line in fs::read_to_string(dir.join(name)).unwrap().lines() {
            let (hash, path) = line.split_once("  ").unwrap();
            listed.insert(path.to_owned(), hash.to_owned());
        }
    }
    listed.insert("tagmanifest-sha256.txt".to_owned(), String::new());
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap();
            let hash = listed
                .remove(name)
                .unwrap_or_else(|| panic!("{name} is not listed"));
            let found = hex(&sha256(&fs::read(&path).unwrap()));
            assert!(hash.is_empty() || hash == found, "{name}");
        }
    }
    assert!(listed.is_empty(), "not there: {listed:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_exported_and_imported_is_exported_as_the_same() {
    let (account, other) = two_vaults();
    let (url, other_url) = (account.served().url(), other.url());
    let runtime = Runtime::new().unwrap();
    account.run(&["identity"]).ok();
    let vault = runtime.block_on(as_account(&account, url));
    let seed = std::env::var("KEEPSAKE_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("KEEPSAKE_SEED={seed}");
    let mut memories = runtime.block_on(generated::fill(&vault, seed));

    // Into a folder, and nothing outside it.
    let before: Vec<_> = siblings(&account);
    let first = at(&account, url, &["export", "one"]).ok();
    let told = all(&first, "added", GENERATED);
    assert!(
        told["bytes_transferred"].as_u64().unwrap() > 4_000_000,
        "{told}"
    );
    let mut expected = before;
    expected.push("one".into());
    assert_eq!(siblings(&account), sorted(expected));
    let one = account.path("one");
    assert_is_a_bag(&one);
    run(account.folder.path(), ["verify", "--archive", "one"]).ok();

    // Again: nothing is read but the listing, and nothing changes.
    let written = manifests(&one);
    let served = account.served();
    let count = || (answered(served, "call"), answered(served, "query"));
    let (calls, queries) = count();
    let told = all(
        &at(&account, url, &["export", "one"]).ok(),
        "unchanged",
        GENERATED,
    );
    assert_eq!(told["bytes_transferred"], 0);
    let after = count();
    assert_eq!(after.0, calls);
    assert!(after.1 - queries <= 7, "{} queries", after.1 - queries);
    assert!(manifests(&one) == written);

    // Into another vault, and out of it.
    all(
        &at(&account, other_url, &["import", "one", "--dry-run"]).ok(),
        "added",
        GENERATED,
    );
    all(
        &at(&account, other_url, &["import", "one"]).ok(),
        "added",
        GENERATED,
    );
    all(
        &at(&account, other_url, &["export", "two"]).ok(),
        "added",
        GENERATED,
    );
    assert_same(&manifests(&account.path("two")), &written);

    // Again, and into where it came from: nothing is added.
    let before = answered(&other, "call");
    all(
        &at(&account, other_url, &["import", "one"]).ok(),
        "unchanged",
        GENERATED,
    );
    assert_eq!(answered(&other, "call"), before);
    all(
        &at(&account, url, &["import", "two"]).ok(),
        "unchanged",
        GENERATED,
    );
    all(
        &at(&account, url, &["mirror", url, other_url]).ok(),
        "unchanged",
        GENERATED,
    );

    // What changes here, changes there and in the folder.
    runtime.block_on(generated::change(&vault, &mut memories));
    let (_, fates) = summary(&at(&account, url, &["mirror", url, other_url, "--delete"]).ok());
    let many = |status: &str| fates.get(status).map_or(0, Vec::len);
    assert_eq!(
        (many("added"), many("updated"), many("removed")),
        (1, 2, 1),
        "{fates:#?}"
    );
    let (told, fates) = summary(&at(&account, url, &["export", "one"]).ok());
    let many = |status: &str| fates.get(status).map_or(0, Vec::len);
    assert_eq!((many("added"), many("gone")), (1, 1), "{fates:#?}");
    // Others may have got another name by that; nothing but what is new travels.
    assert!(many("updated") >= 2, "{fates:#?}");
    assert_eq!(told["bytes_transferred"], 3);
    assert_is_a_bag(&one);
    let (_, fates) = summary(&at(&account, url, &["export", "one", "--delete"]).ok());
    assert_eq!(fates.get("removed").map_or(0, Vec::len), 1, "{fates:#?}");
    assert_is_a_bag(&one);
    // Brought up to date or written anew: the same.
    at(&account, url, &["export", "three"]).ok();
    assert_same(&manifests(&one), &manifests(&account.path("three")));
    at(&account, other_url, &["export", "two", "--delete"]).ok();
    assert_same(&manifests(&account.path("two")), &manifests(&one));

    // One capsule, then all of them, then one of them again: the others stay.
    let own = account.json(&["list"])["capsule_id"]
        .as_str()
        .unwrap()
        .to_owned();
    at(&account, url, &["export", "four", "--capsule", &own]).ok();
    assert_ne!(manifests(&account.path("four")), manifests(&one));
    let other_own = at(&account, other_url, &["list"]).ok().json();
    let other_own = other_own["capsule_id"].as_str().unwrap().to_owned();
    let import = ["import", "four", "--capsule", &other_own];
    let (told, _) = summary(&at(&account, other_url, &import).ok());
    assert_eq!(
        (&told["added"], &told["differs"]),
        (&0.into(), &0.into()),
        "{told}"
    );
    for _ in 0..2 {
        at(&account, url, &["export", "four"]).ok();
        assert_same(&manifests(&account.path("four")), &manifests(&one));
        at(&account, url, &["export", "four", "--capsule", &own]).ok();
        assert_same(&manifests(&account.path("four")), &manifests(&one));
    }
    assert_is_a_bag(&account.path("four"));

    // Another vault's capsule does not mix with it.
    let refused = at(&account, other_url, &["export", "one"]);
    assert!(refused.failed().contains("another capsule"), "{refused:#?}");
    assert_same(&manifests(&one), &manifests(&account.path("three")));
}

/// Names in the account's folder.
fn siblings(account: &Account) -> Vec<String> {
    let entries = fs::read_dir(account.folder.path()).unwrap();
    sorted(
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect(),
    )
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[track_caller]
fn assert_same(found: &[Vec<u8>; 2], expected: &[Vec<u8>; 2]) {
    for (found, expected) in found.iter().zip(expected) {
        let (found, expected) = (lines(found), lines(expected));
        let differing = found.iter().zip(&expected).find(|(a, b)| a != b);
        assert_eq!(differing, None);
        assert_eq!(found.len(), expected.len());
    }
}

fn lines(text: &[u8]) -> Vec<&str> {
    std::str::from_utf8(text).unwrap().lines().collect()
}

#[test]
fn what_was_killed_goes_on_and_what_is_damaged_is_left_out() {
    let (account, other) = two_vaults();
    let (url, other_url) = (account.served().url(), other.url());
    // A small one before large ones: its line comes while the others are on their way.
    account.photo("a-note.txt", b"the first to be there");
    for n in 0..5 {
        account.photo(&format!("film-{n}.mp4"), &noise(60 + n, 5_000_000));
    }
    account.run(&["upload", "photos"]).ok();

    let export = ["export", "archive", "--json", "--jobs", "1", "--url", url];
    let killed = run_and_kill(account.folder.path(), export);
    assert_eq!(killed.code(), None, "{killed:#?}");
    let early = at(&account, other_url, &["import", "archive"]);
    assert!(early.failed().contains("has not ended"), "{early:#?}");
    all(&run(account.folder.path(), export).ok(), "added", 6);
    assert_is_a_bag(&account.path("archive"));
    at(&account, url, &["export", "whole"]).ok();
    assert_same(
        &manifests(&account.path("archive")),
        &manifests(&account.path("whole")),
    );

    let import = [
        "import", "archive", "--json", "--jobs", "1", "--url", other_url,
    ];
    let killed = run_and_kill(account.folder.path(), import);
    assert_eq!(killed.code(), None, "{killed:#?}");
    let (_, fates) = summary(&run(account.folder.path(), import).ok());
    assert!(
        fates.contains_key("added") && fates.contains_key("unchanged"),
        "{fates:#?}"
    );
    at(&account, other_url, &["export", "copy"]).ok();
    assert_same(
        &manifests(&account.path("copy")),
        &manifests(&account.path("whole")),
    );

    // Files on this machine, against the vault.
    account.photo("new.txt", b"not there yet");
    let verified = at(&account, url, &["verify", "photos"]);
    assert_eq!(verified.code(), Some(1), "{verified:#?}");
    let lines = verified.json_lines();
    let counts = lines.last().unwrap();
    assert_eq!(
        (&counts["verified"], &counts["missing"]),
        (&6.into(), &1.into())
    );
    fs::remove_file(account.path("photos/new.txt")).unwrap();
    at(&account, url, &["verify", "photos"]).ok();

    // A folder with other things in it is left alone.
    let refused = at(&account, url, &["export", "photos"]);
    assert!(refused.failed().contains("other files"), "{refused:#?}");

    // Damage is one memory's.
    let note = find(&account.path("archive/data"), "a-note.txt");
    fs::write(&note, b"the first to be here").unwrap();
    let film = find(&account.path("archive/data"), "film-1.mp4");
    fs::remove_file(&film).unwrap();
    let found = run(
        account.folder.path(),
        ["verify", "--archive", "archive", "--json"],
    );
    assert_eq!(found.code(), Some(1), "{found:#?}");
    assert_eq!(summary(&found).0["failed"], 2, "{found:#?}");
    let ended = at(&account, other_url, &["import", "archive"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let (told, _) = summary(&ended);
    assert_eq!(
        (&told["failed"], &told["unchanged"]),
        (&2.into(), &4.into()),
        "{told}"
    );
    // An export puts it right: what is lost comes again, and what was changed is found by its length.
    at(&account, url, &["export", "archive"]).ok();
    run(account.folder.path(), ["verify", "--archive", "archive"]).ok();

    // In a folder where an export was stopped nothing is believed by its length.
    let film = find(&account.path("archive/data"), "film-2.mp4");
    fs::write(&film, noise(99, 5_000_000)).unwrap();
    fs::write(account.path("archive/EXPORT-IS-NOT-FINISHED.txt"), "").unwrap();
    let (told, _) = summary(&at(&account, url, &["export", "archive"]).ok());
    assert_eq!(told["bytes_transferred"], 5_000_000, "{told}");
    assert_is_a_bag(&account.path("archive"));

    // A stranger's archive leads nowhere else.
    let manifest = account.path("archive/manifest.jsonl");
    let text = fs::read_to_string(&manifest).unwrap();
    let calls = answered(&other, "call");
    for outside in [
        "../photos/a-note.txt",
        "data/../../photos/a-note.txt",
        "/etc/passwd",
    ] {
        let relative = note.strip_prefix(account.path("archive")).unwrap();
        let hostile = text.replace(relative.to_str().unwrap(), outside);
        assert_ne!(hostile, text);
        fs::write(&manifest, hostile).unwrap();
        let refused = at(&account, other_url, &["import", "archive"]);
        assert!(refused.failed().contains("leads out"), "{refused:#?}");
    }
    fs::write(&manifest, &text).unwrap();
    fs::remove_file(&note).unwrap();
    std::os::unix::fs::symlink(account.path("photos/a-note.txt"), &note).unwrap();
    let refused = at(&account, other_url, &["import", "archive"]);
    assert!(refused.failed().contains("leads out"), "{refused:#?}");
    assert_eq!(answered(&other, "call"), calls);
    let nothing = at(&account, other_url, &["import", "photos"]);
    assert!(nothing.failed().contains("no archive"), "{nothing:#?}");
}

/// The one file of this name below a folder.
fn find(dir: &Path, name: &str) -> PathBuf {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() == name {
                return path;
            }
        }
    }
    panic!("no {name} below {}", dir.display());
}
