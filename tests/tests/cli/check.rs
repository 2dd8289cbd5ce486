//! `keepsake check`: a vault at rest, whole and damaged.

use std::fs;

use keepsake_tests::{
    command::{Ended, run, run_and_interrupt},
    content::noise,
};

use crate::account::{Account, fates};

const STATE: [&str; 3] = ["check", "--state", "state"];

fn check(account: &Account, args: &[&str]) -> Ended {
    run(account.folder.path(), STATE.iter().chain(args).copied())
}

/// A stopped vault that holds one file of more than one chunk and two small ones; its film's bytes, and its memory.
fn stopped() -> (Account, Vec<u8>, String) {
    let mut account = Account::new();
    let film = noise(5, 4_000_000);
    account.photo("film.mp4", &film);
    account.photo("note.txt", b"The sea was warm.\n");
    account.photo("other.txt", &noise(6, 20_000));
    let (files, _) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    let memory = files["film.mp4"]["memory_id"].as_str().unwrap().to_owned();
    account.stop();
    (account, film, memory)
}

#[test]
fn a_vault_at_rest_is_verified_and_left_as_it_was() {
    let (mut account, film, _) = stopped();
    let data = account.path("state/data/data.mdb");
    let before = fs::read(&data).unwrap();
    let report = check(&account, &["--json"]).ok().json();
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(report["starts"], true);
    assert_eq!(report["memories"], 3);
    assert_eq!(report["problem_count"], 0);
    assert!(report["bytes"].as_u64().unwrap() >= film.len() as u64);
    assert_eq!(fs::read(&data).unwrap(), before);
    let text = check(&account, &[]).ok().stdout;
    assert!(text.contains("every SHA-256 is right"), "{text}");

    account.serve();
    let sentence = check(&account, &[]).failed().to_owned();
    assert!(sentence.contains("being served"), "{sentence}");
    let sentence = run(account.folder.path(), ["check", "--state", "photos"])
        .failed()
        .to_owned();
    assert!(sentence.contains("no vault in photos"), "{sentence}");
}

#[test]
fn a_changed_bit_is_found_named_and_served_to_nobody() {
    let (mut account, film, memory) = stopped();
    let data = account.path("state/data/data.mdb");
    let mut content = fs::read(&data).unwrap();
    let at = content
        .windows(64)
        .position(|part| part == &film[2_000_000..2_000_064])
        .unwrap();
    content[at] ^= 0x40;
    fs::write(&data, content).unwrap();

    let ended = check(&account, &["--json"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.json();
    assert_eq!(report["sound"], false);
    let problems: Vec<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem.as_str().unwrap())
        .collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("unit "), "{problems:?}");
    assert!(problems[1].contains(&memory), "{problems:?}");
    assert_eq!(report["memories"], 3);

    account.serve();
    let refused = account.run(&["get", &memory, "-o", "film.mp4"]);
    assert!(refused.failed().contains("damaged"), "{refused:#?}");
    assert!(!account.path("film.mp4").exists());
    let verified = account.run(&["verify", "--json"]);
    assert_eq!(verified.code(), Some(1));
    let verified = verified.json();
    assert_eq!(
        verified["problems"].as_array().unwrap().len(),
        1,
        "{verified}"
    );
    // The rest is there.
    let listed = account.json(&["list"]);
    for entry in listed["memories"].as_array().unwrap() {
        let id = entry["id"].as_str().unwrap();
        if id != memory {
            account.run(&["get", id, "-o", "out", "--json"]).ok();
        }
    }
}

#[test]
fn an_interrupted_check_says_that_the_next_one_begins_anew() {
    let (account, _, _) = stopped();
    let ended = run_and_interrupt(account.folder.path(), STATE);
    // It may have been faster.
    if ended.code() == Some(130) {
        assert!(ended.stderr.contains("begins anew"), "{ended:#?}");
        assert!(!ended.stderr.contains("goes on"), "{ended:#?}");
    }
    check(&account, &[]).ok();
}

#[test]
fn snapshots_in_the_state_folder_are_verified_too() {
    let (account, film, memory) = stopped();
    let snapshots = account.path("state/snapshots");
    fs::create_dir(&snapshots).unwrap();
    let saved = |name: &str| {
        let to = format!("state/snapshots/{name}");
        let args = ["snapshot", "save", &to, "--state", "state"];
        run(account.folder.path(), args).ok();
        snapshots.join(name)
    };
    saved("0000000000000001");
    let rotten = saved("0000000000000002");
    let short = saved("0000000000000003");
    // What a crash has left is none.
    fs::create_dir(snapshots.join("0000000000000004.aside")).unwrap();
    let report = check(&account, &["--json"]).ok().json();
    assert_eq!(report["sound"], true, "{report}");
    let found = report["snapshots"].as_array().unwrap();
    assert_eq!(found.len(), 3, "{report}");
    for snapshot in found {
        assert_eq!(snapshot["sound"], true, "{report}");
        assert_eq!(snapshot["contents"], report["contents"], "{report}");
        assert_eq!(snapshot["memories"], 3, "{report}");
    }

    let file = rotten.join("stable_memory.bin");
    let mut content = fs::read(&file).unwrap();
    let at = content
        .windows(64)
        .position(|part| part == &film[2_000_000..2_000_064])
        .unwrap();
    content[at] ^= 0x40;
    fs::write(&file, &content).unwrap();
    let file = short.join("stable_memory.bin");
    fs::write(&file, &content[..content.len() - 65_536]).unwrap();
    let ended = check(&account, &["--json"]);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.json();
    let problems: Vec<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem.as_str().unwrap())
        .collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("snapshot 0000000000000002: content "),
        "{problems:?}"
    );
    assert!(problems[0].contains(&memory), "{problems:?}");
    assert!(
        problems[1].starts_with("snapshot 0000000000000003: "),
        "{problems:?}"
    );
    let sound: Vec<bool> = report["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|snapshot| snapshot["sound"].as_bool().unwrap())
        .collect();
    assert_eq!(sound, [true, false, false]);
}
