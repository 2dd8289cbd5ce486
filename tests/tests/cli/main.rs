//! The `keepsake` command as a user runs it.

mod account;
mod archives;
mod calls;
mod check;
mod choosing;
mod generated;
mod moving;
mod operation;
mod serving;
mod sharing;
mod together;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use keepsake_tests::{
    artefacts::{fixture, vault_module_tagged, vault_wasm},
    command::{Served, run, run_and_kill},
    content::noise,
    pictures,
};
use serde_json::Value;

use crate::account::{Account, fates};

#[test]
fn photos_go_in_are_listed_verified_and_come_out_and_a_second_run_adds_nothing() {
    let mut account = Account::new();
    assert_eq!(account.served().announced["vault"], "installed");
    let photo = pictures::jpeg_stored_as(&pictures::upright(300, 200), 6);
    account.photo("beach.jpg", &photo);
    account.photo("note.txt", b"The sea was warm.\n");
    fs::create_dir(account.path("photos/old")).unwrap();
    account.photo("old/granny.png", &pictures::png(&pictures::upright(90, 70)));
    // More than one chunk.
    let long = noise(1, 4_000_000);
    account.photo("old/film.mp4", &long);

    let first = account.run(&["upload", "photos", "--json"]).ok();
    let (files, summary) = fates(&first);
    assert_eq!(summary["created"], 4, "{summary}");
    assert_eq!(summary["failed"], 0, "{summary}");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["beach.jpg", "film.mp4", "granny.png", "note.txt"]);
    for (name, event) in &files {
        assert_eq!(event["status"], "created", "{name}");
        let added = event["derivatives"].as_object().unwrap().values();
        let expected = if name.ends_with("g") { 3 } else { 0 };
        assert_eq!(
            added.filter(|d| d["status"] == "added").count(),
            expected,
            "{name}"
        );
    }

    let listed = account.json(&["list"]);
    let ids: BTreeMap<&str, &str> = listed["memories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["title"].as_str().unwrap(), m["id"].as_str().unwrap()))
        .collect();
    assert_eq!(ids.len(), 4);
    for (name, event) in &files {
        assert_eq!(ids[name.as_str()], event["memory_id"], "{name}");
    }

    let again = account.run(&["upload", "photos", "--json"]).ok();
    let (files, summary) = fates(&again);
    assert_eq!(
        (&summary["created"], &summary["already_there"]),
        (&0.into(), &4.into())
    );
    assert!(
        files
            .values()
            .all(|event| event["status"] == "already_there")
    );
    assert_eq!(account.json(&["list"]), listed);

    for (name, original) in [("beach.jpg", &photo), ("film.mp4", &long)] {
        let report = account.json(&["get", ids[name], "-o", "out"]);
        assert_eq!(report["bytes"], original.len(), "{name}");
        assert!(
            fs::read(account.path("out")).unwrap() == *original,
            "{name}"
        );
    }
    account
        .run(&[
            "get",
            ids["beach.jpg"],
            "--asset",
            "display",
            "-o",
            "shown.webp",
        ])
        .ok();
    let shown = image::open(account.path("shown.webp")).unwrap();
    assert_eq!((shown.width(), shown.height()), (300, 200));
    pictures::assert_upright(&shown, "display of beach.jpg");

    let verified = account.json(&["verify"]);
    assert_eq!(verified["memories"], 4, "{verified}");
    assert_eq!(verified["assets"], 4 + 2 * 3, "{verified}");
    assert_eq!(verified["problems"], Value::Array(Vec::new()), "{verified}");

    // A second start finds the vault as it was; so does one of another build.
    let stopped = account.stop().ok();
    assert!(stopped.stdout.lines().count() == 1, "{stopped:#?}");
    account.serve();
    assert_eq!(account.served().announced["vault"], "unchanged");
    assert_eq!(account.json(&["list"]), listed);
    account.stop().ok();
    let other = account.path("other.wasm");
    fs::write(&other, vault_module_tagged("another build")).unwrap();
    account.served = Some(Served::try_start(&account.state(), &other, "127.0.0.1:0").unwrap());
    assert_eq!(account.served().announced["vault"], "upgraded");
    assert_eq!(account.json(&["list"]), listed);
    assert_eq!(account.json(&["verify"]), verified);
}

#[test]
fn text_for_people_is_as_telling_as_json() {
    let account = Account::new();
    let nothing = account.run(&["list"]).ok();
    assert_eq!(nothing.stdout, "");
    assert!(nothing.stderr.contains("keepsake upload"), "{nothing:#?}");
    account.photo("a.png", &pictures::png(&pictures::upright(20, 20)));
    let uploaded = account.run(&["upload", "photos"]).ok();
    assert!(uploaded.stdout.contains("a.png"), "{uploaded:#?}");
    let listed = account.run(&["list"]).ok();
    assert_eq!(listed.stdout.lines().count(), 1, "{listed:#?}");
    assert!(listed.stdout.contains("a.png"), "{listed:#?}");
    assert!(listed.stdout.contains("4 assets"), "{listed:#?}");
    let verified = account.run(&["verify"]).ok();
    assert!(
        verified.stdout.contains("every SHA-256 is right"),
        "{verified:#?}"
    );
}

#[test]
fn a_damaged_photo_is_kept_told_and_makes_the_exit_code_non_zero() {
    let account = Account::new();
    let whole = fs::read(fixture("portrait-orientation-6.jpg")).unwrap();
    account.photo("damaged.jpg", &whole[..400]);
    account.photo("whole.jpg", &whole);
    let ended = account.run(&["upload", "photos", "--json"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let (files, summary) = fates(&ended);
    assert_eq!(summary["created"], 2, "{summary}");
    assert_eq!(summary["incomplete"], 1, "{summary}");
    for kind in ["display", "thumbnail", "placeholder"] {
        let fate = &files["damaged.jpg"]["derivatives"][kind];
        assert_eq!(fate["status"], "failed", "{kind}: {fate}");
        assert!(!fate["reason"].as_str().unwrap().is_empty(), "{kind}");
        assert_eq!(
            files["whole.jpg"]["derivatives"][kind]["status"], "added",
            "{kind}"
        );
    }
    // The original is as safe as any other.
    account.run(&["verify"]).ok();
    let id = files["damaged.jpg"]["memory_id"].as_str().unwrap();
    account.run(&["get", id, "-o", "back.jpg"]).ok();
    assert_eq!(fs::read(account.path("back.jpg")).unwrap(), &whole[..400]);
}

#[test]
fn what_cannot_be_read_is_that_files_failure_alone() {
    let account = Account::new();
    account.photo("note.txt", b"here");
    let ended = account.run(&["upload", "photos", "not-there.jpg", "--json"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let (files, summary) = fates(&ended);
    assert_eq!(
        (&summary["created"], &summary["failed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(files["not-there.jpg"]["status"], "failed");
    assert!(files["not-there.jpg"]["error"].is_string());
}

#[test]
fn a_run_that_is_killed_is_taken_up_by_the_next() {
    let account = Account::new();
    account.run(&["identity"]).ok();
    // One small file before large ones: its line comes while the others are on their way.
    account.photo("a-note.txt", b"the first to be in");
    for n in 0..6 {
        account.photo(&format!("film-{n}.mp4"), &noise(20 + n, 8_000_000));
    }
    let url = account.served().url();
    let upload = ["upload", "photos", "--json", "--url", url];
    let killed = run_and_kill(account.folder.path(), upload);
    assert_eq!(killed.code(), None, "{killed:#?}");
    let next = run(account.folder.path(), upload).ok();
    let (_, summary) = fates(&next);
    let figure = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(figure("created") + figure("already_there"), 7, "{summary}");
    assert!(figure("created") > 0, "{summary}");
    assert!(figure("already_there") > 0, "{summary}");
    assert_eq!(account.json(&["verify"])["memories"], 7);
}

#[test]
fn a_run_goes_on_when_the_vault_is_killed_and_started_again_under_it() {
    let mut account = Account::new();
    account.run(&["identity"]).ok();
    for n in 0..6 {
        account.photo(&format!("film-{n}.mp4"), &noise(40 + n, 8_000_000));
    }
    let folder = account.folder.path().to_owned();
    let url = account.served().url().to_owned();
    let uploading = {
        let (folder, url) = (folder.clone(), url.clone());
        thread::spawn(move || run(&folder, ["upload", "photos", "--json", "--url", &url]))
    };
    // Once the first is in, the others are on their way.
    let deadline = Instant::now() + Duration::from_secs(60);
    while account.json(&["list"])["memories"] == Value::Array(Vec::new()) {
        assert!(Instant::now() < deadline, "nothing comes in");
    }
    account.served.take().unwrap().kill();
    let address = url.strip_prefix("http://").unwrap();
    let again = Served::try_start(&account.state(), &vault_wasm(), address);
    account.served = Some(again.unwrap_or_else(|ended| panic!("{ended:#?}")));
    let (_, summary) = fates(&uploading.join().unwrap().ok());
    assert_eq!(summary["created"], 6, "{summary}");
    let verified = account.json(&["verify"]);
    assert_eq!(verified["memories"], 6, "{verified}");
    assert_eq!(verified["bytes"], 6 * 8_000_000, "{verified}");
}

#[test]
fn two_runs_at_once_keep_everything_once() {
    let account = Account::new();
    account.run(&["identity"]).ok();
    for n in 0..8 {
        let picture = pictures::upright(60 + n, 50);
        account.photo(&format!("{n}.png"), &pictures::png(&picture));
    }
    account.photo("film.mp4", &noise(30, 5_000_000));
    let (folder, url) = (account.folder.path(), account.served().url());
    // With a journal one would wait for the other.
    let run = || {
        let args = ["upload", "photos", "--json", "--no-journal", "--url", url];
        run(folder, args)
    };
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(run);
        let two = scope.spawn(run);
        (one.join().unwrap(), two.join().unwrap())
    });
    one.ok();
    two.ok();
    let verified = account.json(&["verify"]);
    assert_eq!(verified["memories"], 9, "{verified}");
    assert_eq!(verified["assets"], 1 + 8 * 4, "{verified}");
    let (_, summary) = fates(&run().ok());
    assert_eq!(summary["already_there"], 9, "{summary}");
}

#[test]
fn what_rotted_on_the_disk_is_found_and_not_handed_out() {
    let mut account = Account::new();
    account.photo("good.bin", &noise(10, 50_000));
    let rotting = noise(11, 50_000);
    account.photo("rotting.bin", &rotting);
    let (files, _) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    let id = files["rotting.bin"]["memory_id"]
        .as_str()
        .unwrap()
        .to_owned();
    account.run(&["verify"]).ok();
    account.stop().ok();

    // One bit of the content, where it lies in the database's file.
    let database = account.path("state/data/data.mdb");
    let mut bytes = fs::read(&database).unwrap();
    let pattern = &rotting[20_000..20_032];
    let places: Vec<usize> = bytes
        .windows(pattern.len())
        .enumerate()
        .filter_map(|(at, window)| (window == pattern).then_some(at))
        .collect();
    assert!(!places.is_empty(), "the content lies in the file as it is");
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(&database, bytes).unwrap();

    account.serve();
    let ended = account.run(&["verify", "--json"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let problems = &ended.json()["problems"];
    assert_eq!(problems.as_array().unwrap().len(), 1, "{problems}");
    assert_eq!(problems[0]["memory_id"], id.as_str());
    let text = account.run(&["verify"]);
    assert_eq!(text.code(), Some(1), "{text:#?}");
    assert!(text.stdout.contains(&id), "{text:#?}");
    let refused = account.run(&["get", &id, "-o", "rotten.bin"]);
    refused.failed();
    assert!(!account.path("rotten.bin").exists());
    let left: Vec<_> = fs::read_dir(account.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("rotten"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_key_is_made_once_and_is_who_the_vault_sees() {
    let account = Account::new();
    let first = account.json(&["identity"]);
    let second = account.json(&["identity"]);
    assert_eq!(first["principal"], second["principal"]);
    let pem = PathBuf::from(
        first["path"]
            .as_str()
            .or(first["file"].as_str())
            .unwrap_or_else(|| panic!("{first}")),
    );
    assert!(pem.starts_with(account.folder.path()), "{first}");
    assert_eq!(fs::metadata(&pem).unwrap().permissions().mode() & 0o077, 0);
    let text = fs::read_to_string(&pem).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"));

    // The same key, named: the same person. Another key: another person, who sees nothing.
    account.photo("note.txt", b"mine");
    account.run(&["upload", "photos"]).ok();
    let listed = account.json(&["list"]);
    assert_eq!(listed["memories"].as_array().unwrap().len(), 1);
    let named = pem.to_str().unwrap();
    assert_eq!(account.json(&["list", "--identity", named]), listed);
    let other = tempfile::tempdir().unwrap();
    let url = account.served().url();
    let stranger = run(other.path(), ["list", "--json", "--url", url])
        .ok()
        .json();
    assert_eq!(stranger["memories"].as_array().unwrap().len(), 0);
    let id = listed["memories"][0]["id"].as_str().unwrap();
    let get = ["get", id, "-o", "stolen", "--url", url];
    run(other.path(), get).failed();
    assert!(!other.path().join("stolen").exists());
    let capsule = listed["capsule_id"].as_str().unwrap();
    run(other.path(), ["list", "--capsule", capsule, "--url", url]).failed();
    let upload = ["upload", named, "--capsule", capsule, "--url", url];
    assert_eq!(run(other.path(), upload).code(), Some(1));
    assert_eq!(account.json(&["list"]), listed);

    // What is no key is said to be none, and is not overwritten.
    fs::write(account.path("no-key.pem"), "hello").unwrap();
    account.run(&["list", "--identity", "no-key.pem"]).failed();
    account
        .run(&["list", "--identity", "not-there.pem"])
        .failed();
    assert_eq!(fs::read(account.path("no-key.pem")).unwrap(), b"hello");
    assert!(!account.path("not-there.pem").exists());
}

#[test]
fn what_is_not_there_is_said_in_one_sentence() {
    let account = Account::new();
    account.run(&["identity"]).ok();
    let nothing = account.run(&["get", "mem_nothing", "-o", "out"]);
    assert!(nothing.failed().contains("no such memory"), "{nothing:#?}");
    let json = account.run(&["get", "mem_nothing", "-o", "out", "--json"]);
    assert!(json.json()["error"].is_string(), "{json:#?}");
    assert!(!account.path("out").exists());
    // Port 1 is reserved, and nobody listens there.
    let nobody = run(
        account.folder.path(),
        ["list", "--url", "http://127.0.0.1:1"],
    );
    assert!(nobody.failed().contains("keepsake serve"), "{nobody:#?}");
    let wrong = account.run(&["list", "--canister-id", "aaaaa-aa"]);
    wrong.failed();
    assert_eq!(account.run(&["lsit"]).code(), Some(2));
}
