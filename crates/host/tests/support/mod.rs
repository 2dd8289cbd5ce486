//! What the engine's tests share: small canisters, and engines over temporary folders.

#![allow(dead_code, reason = "every test file uses some of it")]

use candid::Principal;
use keepsake_host::engine::{Config, Engine, Installed, OpenError};
use keepsake_host::message::{Ingress, Reject, RequestId, RequestStatus};
use keepsake_host::store::FolderError;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub const CELL: &str = include_str!("../canisters/cell.wat");

pub fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// An engine over a folder that is gone when dropped, after the engine.
pub struct Home {
    pub engine: Engine,
    pub folder: TempDir,
}

/// Opens a folder. Where tests start processes, one of those may hold the lock that was just given back, from its birth until it runs a
/// program of its own; that is waited for.
pub fn open(folder: &Path) -> Engine {
    for _ in 0..500 {
        match Engine::open(Config::new(folder)) {
            Err(OpenError::Folder(FolderError::Locked(_))) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the folder stays locked");
}

/// A new home with the canister installed.
pub fn home(text: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    assert_eq!(
        engine.install(&wasm(text), b"").unwrap(),
        Installed::Installed
    );
    Home { engine, folder }
}

impl Home {
    /// Stops the engine and opens the folder again.
    pub fn reopen(self) -> Home {
        let Home { engine, folder } = self;
        drop(engine);
        let engine = open(folder.path());
        Home { engine, folder }
    }

    pub async fn update(&self, method: &str, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        self.engine.execute_update(user(), method, arg).await.result
    }

    pub async fn query(&self, method: &str, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        self.engine.query(user(), method, arg).await
    }

    pub async fn cell(&self) -> Cell {
        Cell::read(&self.query("get", b"").await.unwrap())
    }
}

/// What the cell canister's `get` replies with.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Cell {
    pub heap: u32,
    pub global: u32,
    pub stable: u32,
    pub pages: u32,
}

impl Cell {
    pub fn all(value: u32, pages: u32) -> Cell {
        Cell {
            heap: value,
            global: value,
            stable: value,
            pages,
        }
    }

    pub fn read(reply: &[u8]) -> Cell {
        assert_eq!(reply.len(), 16);
        Cell {
            heap: number(&reply[0..4]),
            global: number(&reply[4..8]),
            stable: number(&reply[8..12]),
            pages: number(&reply[12..16]),
        }
    }
}

pub fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

pub fn arg(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

pub fn user() -> Principal {
    Principal::self_authenticating([1; 32])
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

pub fn ingress(engine: &Engine, id: u8, method: &str, arg: &[u8]) -> Ingress {
    Ingress {
        request_id: request_id(id),
        sender: user(),
        canister_id: engine.canister_id(),
        method: method.into(),
        arg: arg.to_vec(),
        expiry: now() + 300_000_000_000,
    }
}

pub fn request_id(id: u8) -> RequestId {
    [id; 32]
}

pub fn replied(status: RequestStatus) -> Vec<u8> {
    match status {
        RequestStatus::Replied(reply) => reply,
        other => panic!("not replied: {other:?}"),
    }
}
