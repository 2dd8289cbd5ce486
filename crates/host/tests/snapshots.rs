//! Snapshots: taken, read, uploaded and loaded through the management canister, and saved and loaded as directories.

mod support;

use candid::{CandidType, Decode, Encode, Principal};
use ic_management_canister_types::*;
use keepsake_host::engine::{Config, Engine, SubmitError};
use keepsake_host::message::{Ingress, Reject, RequestStatus};
use keepsake_host::snapshot::{self, Layout, Progress, SnapshotError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use support::*;

const MIRROR: &str = include_str!("canisters/mirror.wat");

static REQUESTS: AtomicU8 = AtomicU8::new(1);

fn config(folder: &Path) -> Config {
    Config {
        controllers: vec![user()],
        ..Config::new(folder)
    }
}

fn owned(text: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(folder.path())).unwrap();
    engine.install(&wasm(text), b"").unwrap();
    Home { engine, folder }
}

async fn manage<A: CandidType>(home: &Home, method: &str, arg: A) -> Result<Vec<u8>, Reject> {
    let message = Ingress {
        canister_id: Principal::management_canister(),
        arg: Encode!(&arg).unwrap(),
        ..ingress(
            &home.engine,
            REQUESTS.fetch_add(1, Ordering::Relaxed),
            method,
            b"",
        )
    };
    match home.engine.submit(message).await {
        Ok(RequestStatus::Replied(reply)) => Ok(reply),
        Ok(RequestStatus::Rejected(reject)) | Err(SubmitError::Refused(reject)) => Err(reject),
        other => panic!("{other:?}"),
    }
}

async fn take(home: &Home, replace_snapshot: Option<Vec<u8>>) -> Result<Snapshot, Reject> {
    let args = TakeCanisterSnapshotArgs {
        canister_id: home.engine.canister_id(),
        replace_snapshot,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let reply = manage(home, "take_canister_snapshot", args).await?;
    Ok(Decode!(&reply, Snapshot).unwrap())
}

async fn load(home: &Home, snapshot_id: &[u8]) -> Result<Vec<u8>, Reject> {
    let args = LoadCanisterSnapshotArgs {
        canister_id: home.engine.canister_id(),
        snapshot_id: snapshot_id.to_vec(),
        sender_canister_version: None,
    };
    manage(home, "load_canister_snapshot", args).await
}

async fn list(home: &Home) -> Vec<Snapshot> {
    let args = CanisterIdRecord {
        canister_id: home.engine.canister_id(),
    };
    let reply = manage(home, "list_canister_snapshots", args).await.unwrap();
    Decode!(&reply, Vec<Snapshot>).unwrap()
}

async fn metadata(home: &Home, id: &[u8]) -> ReadCanisterSnapshotMetadataResult {
    let args = ReadCanisterSnapshotMetadataArgs {
        canister_id: home.engine.canister_id(),
        snapshot_id: id.to_vec(),
    };
    let reply = manage(home, "read_canister_snapshot_metadata", args);
    Decode!(&reply.await.unwrap(), ReadCanisterSnapshotMetadataResult).unwrap()
}

async fn read(home: &Home, id: &[u8], kind: SnapshotDataKind) -> Result<Vec<u8>, Reject> {
    let args = ReadCanisterSnapshotDataArgs {
        canister_id: home.engine.canister_id(),
        snapshot_id: id.to_vec(),
        kind,
    };
    let reply = manage(home, "read_canister_snapshot_data", args).await?;
    Ok(Decode!(&reply, ReadCanisterSnapshotDataResult)
        .unwrap()
        .chunk)
}

async fn upload(
    home: &Home,
    id: &[u8],
    kind: SnapshotDataOffset,
    chunk: Vec<u8>,
) -> Result<Vec<u8>, Reject> {
    let args = UploadCanisterSnapshotDataArgs {
        canister_id: home.engine.canister_id(),
        snapshot_id: id.to_vec(),
        kind,
        chunk,
    };
    manage(home, "upload_canister_snapshot_data", args).await
}

#[tokio::test]
async fn a_snapshot_brings_everything_back() {
    let home = owned(CELL);
    home.update("fill", &arg(30)).await.unwrap();
    home.update("grow", b"").await.unwrap();
    home.update("certify", b"abcd").await.unwrap();
    home.update("set", &arg(42)).await.unwrap();
    let cell = home.cell().await;
    let snapshot = take(&home, None).await.unwrap();
    assert!(snapshot.total_size > 30 * 65_536);
    let later = CELL.replace("\"canister_query starts\"", "\"canister_query beginnings\"");
    home.engine.install(&wasm(&later), b"").unwrap();
    home.update("fill", &arg(50)).await.unwrap();
    home.update("certify", b"efgh").await.unwrap();
    let later = take(&home, None).await.unwrap();
    let home = home.reopen();
    assert_eq!(list(&home).await, [snapshot.clone(), later.clone()]);

    load(&home, &snapshot.id).await.unwrap();
    // The heap and the globals too, which an upgrade would lose.
    assert_eq!(home.cell().await, cell);
    assert_eq!(number(&home.query("grown", b"").await.unwrap()), 77);
    assert_eq!(home.engine.state().certified_data, b"abcd");
    assert!(home.query("starts", b"").await.is_ok());
    home.update("add", b"").await.unwrap();
    let home = home.reopen();
    assert_eq!(home.cell().await.stable, 43);
    load(&home, &later.id).await.unwrap();
    assert!(home.query("beginnings", b"").await.is_ok());
    assert_eq!(home.cell().await.stable, 3);
    load(&home, &snapshot.id).await.unwrap();
    assert_eq!(home.cell().await, cell);

    let missing = load(&home, b"nonsense").await.unwrap_err();
    assert_eq!(missing.error_code.as_deref(), Some("IC0305"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_of_one_moment_while_the_canister_goes_on() {
    let home = std::sync::Arc::new(owned(CELL));
    home.update("fill", &arg(60)).await.unwrap();
    let busy = home.clone();
    let adding = tokio::spawn(async move {
        for _ in 0..500 {
            busy.update("add", b"").await.unwrap();
        }
    });
    let mut snapshots = Vec::new();
    while !adding.is_finished() && snapshots.len() < 8 {
        snapshots.push(take(&home, None).await.unwrap());
    }
    adding.await.unwrap();
    assert_eq!(home.cell().await.stable, 503);
    let mut last = 3;
    for snapshot in snapshots {
        load(&home, &snapshot.id).await.unwrap();
        let cell = home.cell().await;
        assert_eq!(cell, Cell::all(cell.stable, 1));
        assert!((last..=503).contains(&cell.stable));
        last = cell.stable;
    }
}

#[tokio::test]
async fn snapshots_are_bounded_replaced_and_deleted() {
    let home = owned(CELL);
    let mut snapshots = Vec::new();
    for _ in 0..10 {
        snapshots.push(take(&home, None).await.unwrap());
    }
    assert!(take(&home, None).await.is_err());
    let replaced = take(&home, Some(snapshots[3].id.clone())).await.unwrap();
    let ids: Vec<Vec<u8>> = list(&home).await.into_iter().map(|s| s.id).collect();
    assert_eq!(ids.len(), 10);
    assert!(ids.contains(&replaced.id) && !ids.contains(&snapshots[3].id));
    let delete = |id: &[u8]| DeleteCanisterSnapshotArgs {
        canister_id: home.engine.canister_id(),
        snapshot_id: id.to_vec(),
    };
    manage(&home, "delete_canister_snapshot", delete(&ids[0]))
        .await
        .unwrap();
    assert!(
        manage(&home, "delete_canister_snapshot", delete(&ids[0]))
            .await
            .is_err()
    );
    assert_eq!(list(&home).await.len(), 9);
}

#[tokio::test]
async fn a_snapshot_goes_to_another_home_in_parts() {
    let home = owned(MIRROR);
    home.update("print", b"x").await.unwrap();
    let snapshot = take(&home, None).await.unwrap();
    let there = metadata(&home, &snapshot.id).await;
    // What is exported first, then what is mutable, then the Internet Computer's counter.
    assert!(matches!(
        there.globals[..],
        [
            Some(SnapshotMetadataGlobal::I32(42)),
            Some(SnapshotMetadataGlobal::F64(_)),
            Some(SnapshotMetadataGlobal::I64(7)),
            Some(SnapshotMetadataGlobal::I64(0)),
        ]
    ));
    let other = owned(CELL);
    let new = UploadCanisterSnapshotMetadataArgs {
        canister_id: other.engine.canister_id(),
        replace_snapshot: None,
        wasm_module_size: there.wasm_module_size,
        globals: there.globals.iter().cloned().map(Option::unwrap).collect(),
        wasm_memory_size: there.wasm_memory_size,
        stable_memory_size: there.stable_memory_size,
        certified_data: there.certified_data.clone(),
        global_timer: there.global_timer.clone(),
        on_low_wasm_memory_hook_status: there.on_low_wasm_memory_hook_status.clone(),
    };
    let reply = manage(&other, "upload_canister_snapshot_metadata", &new)
        .await
        .unwrap();
    let id = Decode!(&reply, UploadCanisterSnapshotMetadataResult)
        .unwrap()
        .snapshot_id;
    // Nothing of it is there yet.
    assert!(load(&other, &id).await.is_err());
    assert_eq!(other.cell().await.stable, 7);
    for start in (0..there.wasm_module_size).step_by(500) {
        let size = 500.min(there.wasm_module_size - start);
        let kind = SnapshotDataKind::WasmModule {
            offset: start,
            size,
        };
        let part = read(&home, &snapshot.id, kind).await.unwrap();
        let kind = SnapshotDataOffset::WasmModule { offset: start };
        upload(&other, &id, kind, part).await.unwrap();
    }
    let size = there.wasm_memory_size;
    let kind = SnapshotDataKind::WasmMemory { offset: 0, size };
    let heap = read(&home, &snapshot.id, kind).await.unwrap();
    upload(
        &other,
        &id,
        SnapshotDataOffset::WasmMemory { offset: 0 },
        heap,
    )
    .await
    .unwrap();
    // Beyond the sizes announced, beyond what goes at once, and into a snapshot taken there.
    let beyond = SnapshotDataOffset::WasmMemory { offset: size - 1 };
    assert!(upload(&other, &id, beyond, vec![1, 2]).await.is_err());
    let beyond = SnapshotDataKind::WasmMemory {
        offset: u64::MAX,
        size: 2,
    };
    assert!(read(&home, &snapshot.id, beyond).await.is_err());
    let much = SnapshotDataKind::WasmMemory {
        offset: 0,
        size: 2_000_001,
    };
    assert!(read(&home, &snapshot.id, much).await.is_err());
    let taken = SnapshotDataOffset::WasmMemory { offset: 0 };
    assert!(upload(&home, &snapshot.id, taken, vec![1]).await.is_err());

    load(&other, &id).await.unwrap();
    assert_eq!(
        other.engine.state().module_hash,
        home.engine.state().module_hash
    );
    let again = take(&other, None).await.unwrap();
    let there = format!("{:?}", there.globals);
    assert_eq!(
        format!("{:?}", metadata(&other, &again.id).await.globals),
        there
    );
    for bad in [
        UploadCanisterSnapshotMetadataArgs {
            wasm_memory_size: 5,
            ..new.clone()
        },
        UploadCanisterSnapshotMetadataArgs {
            wasm_memory_size: 1 << 40,
            ..new.clone()
        },
        UploadCanisterSnapshotMetadataArgs {
            stable_memory_size: 1 << 60,
            ..new.clone()
        },
        UploadCanisterSnapshotMetadataArgs {
            wasm_module_size: u64::MAX,
            ..new.clone()
        },
        UploadCanisterSnapshotMetadataArgs {
            certified_data: vec![0; 33],
            ..new.clone()
        },
    ] {
        assert!(
            manage(&other, "upload_canister_snapshot_metadata", bad)
                .await
                .is_err()
        );
    }
}

/// A home that is no longer served, with `pages` of content.
async fn abandoned(pages: u32) -> tempfile::TempDir {
    let home = owned(CELL);
    home.update("fill", &arg(pages)).await.unwrap();
    home.update("set", &arg(99)).await.unwrap();
    let Home { engine, folder } = home;
    drop(engine);
    folder
}

fn save(state: &Path, to: &Path, update: bool) -> Result<snapshot::Saved, SnapshotError> {
    snapshot::save(&config(state), &Layout::new(to), update, &mut |_| true)
}

/// Loads in the way the command does.
fn load_folder(
    state: &Path,
    from: &Path,
    watch: impl FnMut(Progress) -> bool + Send + 'static,
) -> Result<(), Reject> {
    let engine = Engine::open(Config {
        keep_unfinished_load: true,
        ..config(state)
    })
    .unwrap();
    engine.load_snapshot(&Layout::new(from), Box::new(watch))
}

fn same_files(a: &Path, b: &Path) -> bool {
    ["wasm_module.bin", "wasm_memory.bin", "stable_memory.bin"]
        .iter()
        .all(|name| fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap())
}

#[tokio::test]
async fn a_folder_saved_and_loaded_elsewhere_is_the_same_to_the_byte() {
    let state = abandoned(400).await;
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let saved = save(state.path(), &first, false).unwrap();
    assert_eq!(saved.metadata.stable_memory_size, 401 * 65_536);
    assert!(matches!(
        save(state.path(), &first, false),
        Err(SnapshotError::Exists(_))
    ));
    for entry in fs::read_dir(&first).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let from = first.clone();
    let to = elsewhere.path().to_owned();
    tokio::task::spawn_blocking(move || load_folder(&to, &from, |_| true))
        .await
        .unwrap()
        .unwrap();
    // Saving starts the canister over a copy, which counts in stable memory; that is not written to the state folder, so it counts once.
    save(elsewhere.path(), &second, false).unwrap();
    let mut stable = fs::read(first.join("stable_memory.bin")).unwrap();
    let again = fs::read(second.join("stable_memory.bin")).unwrap();
    assert_eq!((stable[8], again[8]), (1, 2));
    stable[8] = 2;
    assert!(stable == again);
    fs::write(first.join("stable_memory.bin"), stable).unwrap();
    fs::copy(
        second.join("wasm_memory.bin"),
        first.join("wasm_memory.bin"),
    )
    .unwrap();
    assert!(same_files(&first, &second));

    // What has changed meanwhile is brought up to date, growing and shrinking.
    let home = Home {
        engine: Engine::open(config(elsewhere.path())).unwrap(),
        folder: elsewhere,
    };
    home.update("fill", &arg(2)).await.unwrap();
    let Home {
        engine,
        folder: elsewhere,
    } = home;
    drop(engine);
    save(elsewhere.path(), &second, true).unwrap();
    save(elsewhere.path(), &dir.path().join("third"), false).unwrap();
    assert!(same_files(&second, &dir.path().join("third")));
}

#[tokio::test]
async fn what_is_interrupted_leaves_no_snapshot_and_goes_on() {
    let state = abandoned(400).await;
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("snapshot");
    let mut calls = 0;
    let mut stop = |_: Progress| {
        calls += 1;
        calls < 3000
    };
    let stopped = snapshot::save(&config(state.path()), &Layout::new(&to), false, &mut stop);
    assert!(matches!(stopped, Err(SnapshotError::Interrupted)));
    assert!(!Layout::new(&to).is_complete());
    save(state.path(), &to, false).unwrap();
    save(state.path(), &dir.path().join("whole"), false).unwrap();
    assert!(same_files(&to, &dir.path().join("whole")));
    assert!(matches!(
        save(state.path(), dir.path(), false),
        Err(SnapshotError::Foreign(_))
    ));

    let elsewhere = abandoned(3).await;
    let (from, folder) = (to.clone(), elsewhere.path().to_owned());
    tokio::task::spawn_blocking(move || {
        let stopped = load_folder(&folder, &from, |now| now.done < 20_000_000);
        assert!(stopped.is_err());
        let engine = Engine::open(Config {
            keep_unfinished_load: true,
            ..config(&folder)
        })
        .unwrap();
        assert_eq!(engine.stable_memory().unwrap().pages(), 4);
        drop(engine);
        // The second attempt begins behind what the first one has written.
        let mut first = None;
        load_folder(&folder, &from, move |now| {
            first.get_or_insert(now.done);
            true
        })
        .unwrap();
    })
    .await
    .unwrap();
    let loaded = dir.path().join("loaded");
    save(elsewhere.path(), &loaded, false).unwrap();
    let stable = fs::read(loaded.join("stable_memory.bin")).unwrap();
    let original = fs::read(to.join("stable_memory.bin")).unwrap();
    assert!(stable[9..] == original[9..]);
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_the_vault_stays() {
    let state = abandoned(3).await;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    save(state.path(), &whole, false).unwrap();
    type Damage = (&'static str, fn(&Path));
    let damage: [Damage; 6] = [
        ("no metadata", |dir| {
            fs::remove_file(dir.join("metadata.json")).unwrap()
        }),
        ("metadata", |dir| {
            fs::write(dir.join("metadata.json"), "{}").unwrap()
        }),
        ("short", |dir| {
            fs::write(dir.join("stable_memory.bin"), [0; 100]).unwrap()
        }),
        ("no heap", |dir| {
            fs::remove_file(dir.join("wasm_memory.bin")).unwrap()
        }),
        ("module", |dir| {
            let size = fs::metadata(dir.join("wasm_module.bin")).unwrap().len();
            fs::write(dir.join("wasm_module.bin"), vec![7; size as usize]).unwrap();
        }),
        ("globals", |dir| {
            let text = fs::read_to_string(dir.join("metadata.json")).unwrap();
            fs::write(
                dir.join("metadata.json"),
                text.replace("\"i32\"", "\"i64\""),
            )
            .unwrap();
        }),
    ];
    let folder = state.path().to_owned();
    tokio::task::spawn_blocking(move || {
        for (what, damage) in damage {
            let copy = tempfile::tempdir().unwrap();
            for entry in fs::read_dir(&whole).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
            }
            damage(copy.path());
            assert!(
                load_folder(&folder, copy.path(), |_| true).is_err(),
                "{what}"
            );
        }
    })
    .await
    .unwrap();
    let home = Home {
        engine: Engine::open(config(state.path())).unwrap(),
        folder: state,
    };
    assert_eq!(home.cell().await.stable, 99);
}
