//! The thread for what takes long: compiling modules, reading and writing snapshots. One thing after the other, in the order asked for.
//!
//! What changes the canister goes back to the executor when it is ready; the manager waits until that is done, so that it always finds the state
//! it left.

use super::code::{self, Ready};
use super::methods::Method;
use super::snapshots::{Snapshots, reject};
use crate::engine::Shared;
use crate::engine::calls::Origin;
use crate::engine::inbox::Job;
use crate::engine::rejects;
use crate::message::{Reject, RejectCode};
use crate::snapshot::Watch;
use crate::snapshot::layout::Layout;
use crate::snapshot::read::{self, Loaded};
use crate::snapshot::write::{Capture, copy_chunks};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// Things that may wait, and bytes of their arguments.
const MAX_WAITING: usize = 1_000;
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// One thing to do.
pub struct Work {
    pub origin: Origin,
    pub task: Task,
}

/// What there is to do.
pub enum Task {
    /// A method of the management canister, with its argument, for a canister of this version at this time.
    Call {
        method: Method,
        arg: Vec<u8>,
        time: u64,
        canister_version: u64,
    },
    /// `take_canister_snapshot` of what was captured.
    Take { arg: Vec<u8>, capture: Box<Capture> },
    /// A snapshot in a directory is loaded.
    Load {
        from: Layout,
        watch: Box<Watch<'static>>,
    },
}

impl Task {
    fn bytes(&self) -> usize {
        match self {
            Task::Call { arg, .. } | Task::Take { arg, .. } => arg.len(),
            Task::Load { .. } => 0,
        }
    }

    /// Whether it writes a generation of stable memory.
    fn loads(&self) -> bool {
        matches!(
            self,
            Task::Load { .. }
                | Task::Call {
                    method: Method::LoadSnapshot,
                    ..
                }
        )
    }
}

/// How something ended.
pub struct Outcome {
    pub origin: Origin,
    pub result: Result<Done, Reject>,
    /// Told when what was to be put in place is, for good; dropped where it could not be.
    pub settled: mpsc::Sender<()>,
}

/// What has been done, or has only to be put in place.
pub enum Done {
    Answer(Vec<u8>),
    Install(Ready),
    Load(Box<Loaded>),
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    bytes: usize,
    closed: bool,
}

/// What the manager has to do.
#[derive(Default)]
pub struct Manager {
    state: Mutex<State>,
    wake: Condvar,
}

impl Manager {
    /// Leaves something to do; gives it back where there is no room, with why.
    pub fn put(&self, work: Work) -> Result<(), Box<(Work, Reject)>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Box::new((work, rejects::stopped())));
        }
        let bytes = state.bytes + work.task.bytes();
        if state.waiting.len() >= MAX_WAITING || bytes > MAX_BYTES {
            let reject = rejects::busy("calls of the management canister");
            return Err(Box::new((work, reject)));
        }
        state.bytes = bytes;
        state.waiting.push_back(work);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Nothing more is done; what waits is dropped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.closed = true;
        drop(state);
        self.wake.notify_all();
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(work) = state.waiting.pop_front() {
                state.bytes -= work.task.bytes();
                return Some(work);
            }
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what there is to do until the engine is closed.
pub fn run(shared: &Shared, keeps_unfinished_loads: bool) {
    if let Err(error) = Snapshots::of(shared).tidy() {
        tracing::warn!(%error, "what is left of snapshots could not be removed");
    }
    remove_leftovers(shared, keeps_unfinished_loads);
    while let Some(Work { origin, task }) = shared.manager.next() {
        let loads = task.loads();
        // A fault of the host ends what was asked, not the manager.
        let done = catch_unwind(AssertUnwindSafe(|| perform(shared, task)));
        let (result, chunks) = match done {
            Ok(Ok((done, chunks))) => (Ok(done), chunks),
            Ok(Err(reject)) => (Err(reject), None),
            Err(_) => (Err(fault()), None),
        };
        let changes = matches!(result, Ok(Done::Install(_) | Done::Load(_)));
        let (settled, when_settled) = mpsc::channel();
        let outcome = Outcome {
            origin,
            result,
            settled,
        };
        // Where the engine is closed, whoever asked is told so by it.
        shared.inbox.put_outcome(Job::Outcome(Box::new(outcome)));
        if !changes {
            // A load that failed leaves what it has written, which is of use to the next one at most.
            if loads && !keeps_unfinished_loads {
                remove_leftovers(shared, false);
            }
            continue;
        }
        let in_place = when_settled.recv().is_ok();
        if in_place
            && let Some(chunks) = chunks
            && let Err(error) = copy_chunks(&chunks, &shared.folder.chunks())
        {
            tracing::warn!(%error, "the chunk store could not be taken over from the snapshot");
        }
        remove_leftovers(shared, false);
    }
}

type Performed = Result<(Done, Option<std::path::PathBuf>), Reject>;

fn perform(shared: &Shared, task: Task) -> Performed {
    let snapshots = Snapshots::of(shared);
    let mut unwatched = |_| !shared.inbox.is_closed();
    let answered = match task {
        Task::Take { arg, capture } => snapshots.take(&arg, &capture),
        Task::Load { from, mut watch } => return load(shared, &from, &mut watch),
        Task::Call {
            method,
            arg,
            time,
            canister_version,
        } => match method {
            Method::InstallCode => {
                return Ok((Done::Install(code::install_code(shared, &arg)?), None));
            }
            Method::InstallChunkedCode => {
                let ready = code::install_chunked_code(shared, &arg)?;
                return Ok((Done::Install(ready), None));
            }
            Method::LoadSnapshot => {
                return load(shared, &snapshots.to_load(&arg)?, &mut unwatched);
            }
            Method::UploadChunk => code::upload_chunk(shared, &arg),
            Method::StoredChunks => code::stored_chunks(shared, &arg),
            Method::ClearChunkStore => code::clear_chunk_store(shared, &arg),
            Method::ListSnapshots => snapshots.list(&arg),
            Method::DeleteSnapshot => snapshots.delete(&arg),
            Method::ReadSnapshotMetadata => snapshots.read_metadata(&arg),
            Method::ReadSnapshotData => snapshots.read_data(&arg),
            Method::UploadSnapshotMetadata => {
                snapshots.upload_metadata(&arg, time, canister_version)
            }
            Method::UploadSnapshotData => snapshots.upload_data(&arg),
            // The executor does these itself.
            Method::RawRand
            | Method::CanisterStatus
            | Method::UpdateSettings
            | Method::StartCanister
            | Method::StopCanister
            | Method::TakeSnapshot
            | Method::FetchLogs => Err(fault()),
        },
    };
    Ok((Done::Answer(answered?), None))
}

fn load(shared: &Shared, from: &Layout, watch: &mut Watch<'_>) -> Performed {
    let cache = shared.folder.cache();
    let loaded = read::load(from, &shared.store, &shared.runtime, &cache, watch);
    match loaded {
        Ok(loaded) => Ok((Done::Load(Box::new(loaded)), Some(from.chunks()))),
        Err(error) => Err(reject(&error)),
    }
}

fn remove_leftovers(shared: &Shared, only_past: bool) {
    if let Err(error) = shared.store.remove_leftovers(only_past) {
        tracing::warn!(%error, "stable memory that was replaced could not be removed");
    }
}

fn fault() -> Reject {
    Reject {
        code: RejectCode::SysFatal,
        message: "the host failed while it did this".into(),
        error_code: None,
    }
}
