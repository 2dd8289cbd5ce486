//! `keepsake serve`: starts that are refused, and stops.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use keepsake_tests::{
    artefacts::{code_cache, vault_wasm},
    command::Served,
    content::{noise, sha256},
};

use crate::account::{Account, fates};

fn refused(state: &Path, listen: &str) -> String {
    match Served::try_start(state, &vault_wasm(), listen) {
        Ok(served) => panic!("it was served: {}", served.announced),
        Err(ended) => ended.failed().to_owned(),
    }
}

#[test]
fn a_port_in_use_is_said_and_leaves_the_state_alone() {
    let account = Account::new();
    let address = account.served().url().strip_prefix("http://").unwrap();
    let elsewhere = account.path("elsewhere");
    let sentence = refused(&elsewhere, address);
    assert!(
        sentence.contains(address) && sentence.contains("in use"),
        "{sentence}"
    );
    assert!(!elsewhere.exists());
    account.run(&["list"]).ok();
}

#[test]
fn a_state_folder_serves_one_at_a_time() {
    let account = Account::new();
    let sentence = refused(&account.state(), "127.0.0.1:0");
    assert!(sentence.contains("in use"), "{sentence}");
    account.run(&["list"]).ok();
}

#[test]
fn a_state_folder_that_cannot_be_used_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);

    let newer = path("newer");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("version"), "999\n").unwrap();
    let sentence = refused(&newer, "127.0.0.1:0");
    assert!(sentence.contains("version 999"), "{sentence}");
    assert_eq!(fs::read(newer.join("version")).unwrap(), b"999\n");

    let file = path("file");
    fs::write(&file, "a file").unwrap();
    refused(&file, "127.0.0.1:0");
    refused(&file.join("below"), "127.0.0.1:0");
    assert_eq!(fs::read(&file).unwrap(), b"a file");

    let photos = path("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("beach.jpg"), "not a vault").unwrap();
    let sentence = refused(&photos, "127.0.0.1:0");
    assert!(sentence.contains("other files"), "{sentence}");
    assert_eq!(fs::read_dir(&photos).unwrap().count(), 1);

    // Not even root may make folders there.
    let sentence = refused(Path::new("/sys/keepsake"), "127.0.0.1:0");
    assert!(sentence.contains("permission"), "{sentence}");
    let closed = path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write there all the same.
    if fs::write(closed.join("probe"), "").is_err() {
        let sentence = refused(&closed.join("state"), "127.0.0.1:0");
        assert!(sentence.contains("permission"), "{sentence}");
    }
}

#[test]
fn a_canister_that_is_none_is_refused_and_the_vault_stays() {
    let mut account = Account::new();
    account.photo("note.txt", b"still here");
    account.run(&["upload", "photos"]).ok();
    let listed = account.json(&["list"]);
    account.stop().ok();
    let broken = account.path("broken.wasm");
    for module in [&b"not wasm"[..], b"", b"\0asm\x01\0\0\0\x0a"] {
        fs::write(&broken, module).unwrap();
        match Served::try_start(&account.state(), &broken, "127.0.0.1:0") {
            Ok(served) => panic!("it was served: {}", served.announced),
            Err(ended) => assert!(ended.failed().contains("canister"), "{ended:#?}"),
        }
    }
    match Served::try_start(&account.state(), &account.path("missing"), "127.0.0.1:0") {
        Ok(served) => panic!("it was served: {}", served.announced),
        Err(ended) => assert!(ended.failed().contains("cannot be read"), "{ended:#?}"),
    }
    account.serve();
    assert_eq!(account.served().announced["vault"], "unchanged");
    assert_eq!(account.json(&["list"]), listed);
}

#[test]
fn either_signal_stops_it_cleanly_and_nothing_is_lost() {
    let mut account = Account::new();
    let note = noise(5, 100);
    account.photo("note.bin", &note);
    let (files, _) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    assert_eq!(files["note.bin"]["sha256"], hex(&sha256(&note)));
    let interrupted = account.stop().ok();
    assert_eq!(
        interrupted.stderr.trim(),
        "keepsake: stopping",
        "{interrupted:#?}"
    );
    account.serve();
    account.run(&["verify"]).ok();
    account.served.take().unwrap().terminate().ok();
    keepsake_tests::state::recount(&account.state());
}

#[test]
fn a_second_signal_does_not_wait_for_open_requests_and_nothing_is_lost() {
    let mut account = Account::new();
    account.photo("note.txt", b"The sea was warm.\n");
    account.run(&["upload", "photos"]).ok();
    // A request whose body never comes keeps a stop waiting for as long as open requests may.
    let address = account.served().url().strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(
        b"POST /api/v2/canister/aaaaa-aa/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n",
    )
    .unwrap();
    // Answered on another connection afterwards, so that the first has been read.
    account.run(&["list"]).ok();
    let begun = Instant::now();
    let served = account.served.take().unwrap();
    let ended = served.terminate_twice(Duration::from_millis(500));
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "it has waited");
    assert!(ended.stderr.contains("without waiting"), "{ended:#?}");
    keepsake_tests::state::recount(&account.state());
    account.serve();
    account.run(&["verify"]).ok();
}

#[test]
fn the_root_key_is_told_as_clients_that_sign_elsewhere_want_it() {
    let account = Account::new();
    let key = account.served().announced["root_key"].as_str().unwrap();
    assert_eq!(key.len(), 266);
    assert!(key.starts_with("308182301d06"), "{key}");
    let mut status =
        TcpStream::connect(account.served().url().strip_prefix("http://").unwrap()).unwrap();
    write!(
        status,
        "GET /api/v2/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    status.read_to_end(&mut answer).unwrap();
    let bytes: Vec<u8> = (0..key.len() / 2)
        .map(|n| u8::from_str_radix(&key[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    assert!(answer.windows(bytes.len()).any(|part| part == bytes));
}

#[test]
fn compiled_code_is_shared_and_not_made_again() {
    let account = Account::new();
    // The tests' vaults share a folder for it, which has this one by now; the state folder has no need of its own.
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".new"))
            .collect();
        names.sort();
        names
    };
    let hash = hex(&sha256(&fs::read(vault_wasm()).unwrap()));
    let shared = names(&code_cache());
    assert!(
        shared.iter().any(|name| name.starts_with(&hash)),
        "{shared:?}"
    );
    let another = account.path("another");
    drop(Served::start(&another));
    assert!(names(&another.join("cache")).is_empty());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
