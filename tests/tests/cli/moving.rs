//! `keepsake snapshot`: a vault that moves to another folder, while it is served.

use std::{fs, os::unix::fs::PermissionsExt};

use keepsake_tests::{
    command::{Served, run},
    content::noise,
};

use crate::account::Account;

fn snapshot(account: &Account, args: &[&str]) -> keepsake_tests::command::Ended {
    run(
        account.folder.path(),
        ["snapshot"].iter().chain(args).copied(),
    )
}

#[test]
fn a_vault_moves_with_everything_in_it() {
    let mut account = Account::new();
    account.photo("film.mp4", &noise(7, 3_000_000));
    account.photo("note.txt", b"The sea was warm.\n");
    account.run(&["upload", "photos"]).ok();
    let listed = account.json(&["list"]);

    // While it is served; the snapshot holds secrets.
    snapshot(&account, &["save", "copy", "--state", "state"]).ok();
    for name in ["metadata.json", "stable_memory.bin", "wasm_module.bin"] {
        let mode = fs::metadata(account.path("copy").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    let again = snapshot(&account, &["save", "copy", "--state", "state"]);
    assert!(again.failed().contains("--update"), "{again:#?}");
    let busy = snapshot(&account, &["load", "copy", "--state", "state", "--replace"]);
    assert!(busy.failed().contains("is being served"), "{busy:#?}");

    let loaded = snapshot(&account, &["load", "copy", "--state", "moved", "--json"]).ok();
    assert_eq!(loaded.json()["done"], "loaded");
    keepsake_tests::state::recount(&account.path("moved"));
    let there = snapshot(&account, &["load", "copy", "--state", "moved"]);
    assert!(there.failed().contains("--replace"), "{there:#?}");

    account.stop().ok();
    account.served = Some(Served::start(&account.path("moved")));
    assert_eq!(account.served().announced["vault"], "unchanged");
    assert_eq!(account.json(&["list"]), listed);
    account.run(&["verify"]).ok();

    // What is added later is not in the snapshot, and is gone when that is loaded in its place.
    account.photo("later.txt", b"The sea was cold.\n");
    account.run(&["upload", "photos"]).ok();
    assert_ne!(account.json(&["list"]), listed);
    account.stop().ok();
    snapshot(&account, &["load", "copy", "--state", "moved", "--replace"]).ok();
    account.served = Some(Served::start(&account.path("moved")));
    assert_eq!(account.json(&["list"]), listed);
    account.run(&["verify"]).ok();
}

#[test]
fn what_is_saved_during_an_upload_is_a_vault_of_one_moment() {
    let account = Account::new();
    for number in 0..60u8 {
        account.photo(&format!("{number}.bin"), &noise(number.into(), 200_000));
    }
    let folder = account.folder.path().to_owned();
    let upload = ["upload", "photos", "--url", account.served().url()].map(str::to_owned);
    std::thread::scope(|scope| {
        let uploading = scope.spawn(|| run(&folder, &upload).ok());
        let mut saved = 0;
        while saved < 3 || !uploading.is_finished() {
            snapshot(&account, &["save", "copy", "--state", "state", "--update"]).ok();
            saved += 1;
        }
    });
    snapshot(&account, &["load", "copy", "--state", "moved"]).ok();
    keepsake_tests::state::recount(&account.path("moved"));
    let moved = Served::start(&account.path("moved"));
    let verified = run(account.folder.path(), ["verify", "--url", moved.url()]);
    verified.ok();
}

#[test]
fn what_is_no_snapshot_and_no_vault_is_said() {
    let account = Account::new();
    fs::create_dir(account.path("empty")).unwrap();
    let ended = snapshot(&account, &["load", "empty", "--state", "new"]);
    assert!(ended.failed().contains("metadata.json"), "{ended:#?}");
    assert!(!account.path("new").exists());
    let ended = snapshot(&account, &["save", "elsewhere", "--state", "empty"]);
    assert!(ended.failed().contains("no vault"), "{ended:#?}");
    assert!(!account.path("elsewhere").exists());
    fs::create_dir(account.path("album")).unwrap();
    fs::write(account.path("album/a.jpg"), b"a").unwrap();
    let ended = snapshot(&account, &["save", "album", "--state", "state"]);
    assert!(ended.failed().contains("other files"), "{ended:#?}");
    assert_eq!(fs::read_dir(account.path("album")).unwrap().count(), 1);
}
