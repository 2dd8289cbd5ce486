//! What a user does with memories that are there: finds them, shares them, throws them away and takes them back.

use std::fs;

use keepsake_tests::command::{Ended, run};
use serde_json::Value;

use crate::account::{Account, fates};

/// The ids of memories in a listing, by title.
fn titles(listed: &Value) -> Vec<&str> {
    let memories = listed["memories"].as_array().unwrap();
    memories
        .iter()
        .map(|m| m["title"].as_str().unwrap())
        .collect()
}

/// An account with three notes of known dates; their ids, in the order of their names.
fn three_notes() -> (Account, Vec<String>) {
    let account = Account::new();
    let names = [
        "2019-07-13 beach.txt",
        "2020-05-01 garden.txt",
        "2020-06-02 beach again.txt",
    ];
    for name in names {
        account.photo(name, name.as_bytes());
    }
    let (files, _) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    let id = |name: &str| files[name]["memory_id"].as_str().unwrap().to_owned();
    (account, names.into_iter().map(id).collect())
}

#[test]
fn memories_are_found_by_text_and_date_and_stand_in_a_tree() {
    let (account, ids) = three_notes();
    let beach = account.json(&["search", "BEACH"]);
    assert_eq!(
        titles(&beach),
        ["2020-06-02 beach again.txt", "2019-07-13 beach.txt"]
    );
    assert_eq!(beach["searched"], 3);
    let last = account.json(&["search", "beach", "--from", "2020", "--type", "note"]);
    assert_eq!(last["memories"][0]["id"], ids[2]);
    assert_eq!(
        titles(&account.json(&["search", "--until", "2020-05-01"])).len(),
        2
    );
    assert_eq!(
        titles(&account.json(&["search", "--type", "image"])).len(),
        0
    );
    let line = account.run(&["search", "garden"]).ok();
    assert_eq!(line.stdout.lines().count(), 1);
    assert!(line.stdout.contains(&ids[1]), "{line:#?}");
    assert_eq!(
        account.run(&["search", "--from", "yesterday"]).code(),
        Some(2)
    );

    let tree = account.json(&["tree", "--depth", "5"]);
    let capsule = &tree["capsules"][0];
    assert_eq!(capsule["memories"], 3);
    let years: Vec<_> = capsule["years"]
        .as_array()
        .unwrap()
        .iter()
        .map(|y| &y["year"])
        .collect();
    assert_eq!(years, [2020, 2019]);
    let may = &capsule["years"][0]["months"][1];
    assert_eq!(
        (&may["month"], &may["items"][0]["id"]),
        (&5.into(), &ids[1].clone().into())
    );
    assert_eq!(may["items"][0]["assets"][0]["asset_type"], "original");
    let text = account.run(&["tree"]).ok().stdout;
    assert!(text.contains("    2019-07  1 memory"), "{text}");

    let status = account.json(&["status"]);
    assert_eq!(status["capsules"][0]["memories"], 3);
    assert_eq!(status["vault"]["holdings"]["memories"], 3);
    let text = account.run(&["status"]).ok().stdout;
    assert!(text.contains("3 memories in 1 capsule"), "{text}");
}

#[test]
fn what_is_shared_is_seen_until_it_is_taken_back() {
    let (account, ids) = three_notes();
    let url = account.served().url();
    let granny = tempfile::tempdir().unwrap();
    let as_granny = |args: &[&str]| {
        let rest = ["--url", url, "--json"];
        run(granny.path(), args.iter().copied().chain(rest))
    };
    let principal = as_granny(&["identity"]).ok().json()["principal"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(titles(&as_granny(&["shared"]).ok().json()).len(), 0);

    let both = ["share", &ids[0], &ids[1], "--with", &principal];
    let shared = account.json(&both);
    assert_eq!(shared["memories"][1]["status"], "shared");
    assert_eq!(titles(&as_granny(&["shared"]).ok().json()).len(), 2);
    // To see is not to have.
    assert_eq!(as_granny(&["get", &ids[0], "-o", "a.txt"]).code(), Some(1));
    account.json(&["share", &ids[0], "--with", &principal, "--may", "download"]);
    as_granny(&["get", &ids[0], "-o", "a.txt"]).ok();
    assert_eq!(
        fs::read(granny.path().join("a.txt")).unwrap(),
        b"2019-07-13 beach.txt"
    );

    let grants = account.json(&["shared", &ids[0]]);
    let hers: Vec<&Value> = grants["grants"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|grant| grant["who"] == principal.as_str())
        .collect();
    assert_eq!(hers.len(), 1, "sharing again replaces: {grants}");
    assert_eq!(hers[0]["may"], serde_json::json!(["view", "download"]));
    // For later, until it was over, and to everybody.
    account.json(&["share", &ids[2], "--with", &principal, "--from", "2400"]);
    account.json(&["share", &ids[2], "--with", "Grandpa", "--until", "2400-05"]);
    account.json(&["share", &ids[2], "--with", "public"]);
    let mine = account.json(&["shared", "--by-me"]);
    assert_eq!(titles(&mine).len(), 3);
    assert_eq!(
        mine["memories"][0]["grants"].as_array().unwrap().len(),
        3,
        "{mine}"
    );
    let text = account.run(&["shared", &ids[2]]).ok().stdout;
    assert!(
        text.contains("person Grandpa: view, until 2400-06-01T00:00:00Z"),
        "{text}"
    );
    assert!(text.contains("from 2400-01-01T00:00:00Z"), "{text}");

    let done = account.json(&["unshare", &ids[0], &ids[1], "--with", &principal]);
    assert_eq!(done["memories"][0]["status"], "unshared");
    account.json(&["unshare", &ids[2], "--all"]);
    assert_eq!(titles(&as_granny(&["shared"]).ok().json()).len(), 0);
    assert_eq!(titles(&account.json(&["shared", "--by-me"])).len(), 0);
    let again = account.json(&["unshare", &ids[0], "--with", &principal]);
    assert_eq!(again["memories"][0]["status"], "not_shared");

    with_groups_and_after_events(&account, &ids[0], &principal, &as_granny);

    // One that is not there does not keep the others.
    let half = account.run(&[
        "share",
        "mem_nothing",
        &ids[1],
        "--with",
        &principal,
        "--json",
    ]);
    assert_eq!(half.code(), Some(1));
    let half = half.json();
    assert_eq!(half["memories"][0]["status"], "failed");
    assert!(
        half["memories"][0]["error"]
            .as_str()
            .unwrap()
            .contains("no such memory")
    );
    assert_eq!(half["memories"][1]["status"], "shared");
    let mistyped = principal.replacen('-', "-x", 1);
    assert_eq!(
        account
            .run(&["share", &ids[0], "--with", &mistyped[1..]])
            .code(),
        Some(2)
    );
}

/// What is shared with a group is seen by who is in it, and what waits for an event once it is recorded.
fn with_groups_and_after_events(
    account: &Account,
    id: &str,
    principal: &str,
    as_granny: &dyn Fn(&[&str]) -> Ended,
) {
    let seen = || titles(&as_granny(&["shared"]).ok().json()).len();
    let with = ["share", id, "--with", "group:family"];
    let unknown = account.run(&with);
    assert!(
        unknown.failed().contains("keepsake group set"),
        "{unknown:#?}"
    );
    let groups = account.json(&["group", "set", "family", "Grandpa", "--name", "The family"]);
    assert_eq!(
        groups["groups"][0]["members"],
        serde_json::json!(["Grandpa"])
    );
    account.json(&with);
    assert_eq!(seen(), 0);
    account.json(&["group", "set", "family", "Grandpa", principal]);
    assert_eq!(seen(), 1);
    let text = account.run(&["shared", id]).ok().stdout;
    assert!(text.contains("group family: view"), "{text}");
    account.json(&["unshare", id, "--with", "group:family"]);
    assert_eq!(seen(), 0);
    account.json(&["share", id, "--with", "group:family"]);
    account.json(&["group", "remove", "family"]);
    assert_eq!(
        account.json(&["group", "list"])["groups"],
        serde_json::json!([])
    );
    assert_eq!(seen(), 0);
    account.json(&["unshare", id, "--all"]);

    account.json(&["share", id, "--with", principal, "--after", "birthday:18"]);
    assert_eq!(
        account.json(&["shared", id])["grants"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(seen(), 0);
    account.json(&["event", "birthday:17"]);
    assert_eq!(seen(), 0);
    account.json(&["event", "birthday:18"]);
    assert_eq!(seen(), 1);
    account.json(&["unshare", id, "--all"]);
}

#[test]
fn what_is_thrown_away_comes_back_unless_it_was_for_good() {
    let (account, ids) = three_notes();
    let count = || titles(&account.json(&["list"])).len();
    account.json(&["rm", &ids[0], &ids[1]]);
    assert_eq!(count(), 1);
    let trash = account.json(&["trash"]);
    assert_eq!(titles(&trash).len(), 2);
    assert!(trash["memories"][0]["reclaimed_at"].is_string());
    assert!(
        account
            .run(&["trash"])
            .ok()
            .stdout
            .contains("gone for good after")
    );
    account.json(&["restore", &ids[0]]);
    assert_eq!((count(), titles(&account.json(&["trash"])).len()), (2, 1));
    assert_eq!(account.json(&["trash", "--empty"])["deleted"], 1);
    let gone = account.run(&["restore", &ids[1], "--json"]);
    assert_eq!(gone.code(), Some(1));
    assert!(gone.stdout.contains("keepsake trash"), "{gone:#?}");

    account.json(&["rm", "--forever", &ids[2]]);
    assert_eq!(titles(&account.json(&["trash"])).len(), 0);
    assert_eq!(count(), 1);
    // What was deleted for good comes back with its file.
    let (_, summary) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    assert_eq!(
        (&summary["created"], &summary["already_there"]),
        (&2.into(), &1.into())
    );
    account.json(&["verify"]);
}

#[test]
fn two_keys_become_one_person() {
    let (account, ids) = three_notes();
    let url = account.served().url();
    let laptop = tempfile::tempdir().unwrap();
    let on_laptop = |args: &[&str]| {
        let rest = ["--url", url, "--json"];
        run(laptop.path(), args.iter().copied().chain(rest))
    };
    let principal = |identity: Value| identity["principal"].as_str().unwrap().to_owned();
    let theirs = principal(on_laptop(&["identity"]).ok().json());
    let mine = principal(account.json(&["identity"]));
    let early = on_laptop(&["link", "accept", &mine]);
    assert_eq!(early.code(), Some(1));
    assert!(early.stderr.contains("no such offer"), "{early:#?}");

    let offered = account.json(&["link", "offer", &theirs]);
    assert_eq!(offered["offers_made"][0]["principal"], theirs.as_str());
    let seen = on_laptop(&["link", "show"]).ok().json();
    assert_eq!(seen["offers_received"][0]["principal"], mine.as_str());
    let linked = on_laptop(&["link", "accept", &mine]).ok().json();
    assert_eq!(linked["principals"][0]["principal"], mine.as_str());
    assert_eq!(linked["principals"][1]["principal"], theirs.as_str());
    on_laptop(&["get", &ids[0], "-o", "a.txt"]).ok();

    account.json(&["link", "unlink", &theirs]);
    on_laptop(&["get", &ids[0], "-o", "b.txt"]).failed();
}

#[test]
fn a_shell_and_man_know_every_command() {
    let account = Account::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = account.run(&["completions", shell]).ok().stdout;
        assert!(
            script.contains("unshare") && script.contains("restore"),
            "{shell}"
        );
    }
    account.run(&["man", "pages"]).ok();
    for page in ["keepsake.1", "keepsake-upload.1", "keepsake-link-offer.1"] {
        let text = fs::read_to_string(account.path("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    assert!(account.run(&["--help"]).ok().stdout.contains("Exit codes"));
}
