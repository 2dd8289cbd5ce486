//! How an engine is opened.

use crate::store::MAX_STABLE_PAGES;
use candid::Principal;
use std::path::PathBuf;

/// Bytes of heap a canister may have unless configured otherwise.
const DEFAULT_MAX_HEAP_BYTES: usize = 1 << 30;

/// Instructions one message may use unless configured otherwise: the Internet Computer's bound.
const DEFAULT_MAX_UPDATE_INSTRUCTIONS: u64 = 40_000_000_000;

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything is kept in this folder, which is created where it is missing.
    pub state_dir: PathBuf,
    /// `None`: what the state folder says, else `uxrrr-q7777-77774-qaaaq-cai`.
    pub canister_id: Option<Principal>,
    /// Who controls the canister where the state folder does not say: that is, at first. Later the controllers themselves decide.
    pub controllers: Vec<Principal>,
    /// Queries executed at once; `None`: one for every processor, and at least two.
    pub query_threads: Option<usize>,
    /// Bytes of heap an instance may have. The host holds up to one copy for updates, one of the last commit and one for every query thread.
    pub max_heap_bytes: usize,
    /// Bytes the database may take on the disk, in whole pages of 4 KiB; `None`: as many as there are. Updates that need more are undone,
    /// as on a full disk.
    pub max_store_bytes: Option<usize>,
    /// Instructions that an update, a callback or the timer may use in one message. Installations have a bound of their own.
    pub max_update_instructions: u64,
    /// WebAssembly pages (64 KiB) of stable memory the canister may have; it is refused more, as the Internet Computer refuses more
    /// than [`MAX_STABLE_PAGES`], which is the default and the most. What it has already it keeps.
    pub max_stable_pages: u64,
    /// What an interrupted loading of a snapshot has left is kept for another attempt, instead of being removed.
    pub keep_unfinished_load: bool,
    /// A folder where compiled modules are looked for and left besides the state folder, for several state folders to share; it is made where it is
    /// missing. What is in it is run, so that one that others may write to is not used. `None`: the state folder alone.
    pub code_cache: Option<PathBuf>,
}

impl Config {
    /// The usual configuration over a state folder.
    pub fn new(state_dir: impl Into<PathBuf>) -> Config {
        Config {
            state_dir: state_dir.into(),
            canister_id: None,
            controllers: Vec::new(),
            query_threads: None,
            max_heap_bytes: DEFAULT_MAX_HEAP_BYTES,
            max_store_bytes: None,
            max_update_instructions: DEFAULT_MAX_UPDATE_INSTRUCTIONS,
            max_stable_pages: MAX_STABLE_PAGES,
            keep_unfinished_load: false,
            code_cache: None,
        }
    }
}
