//! The execution engine: one canister, its messages in order, its queries in parallel, its state durable.
//!
//! Threads and what they hold:
//!
//! | thread    | does                                                                                   |
//! | --------- | -------------------------------------------------------------------------------------- |
//! | executor  | runs updates, timers and installations one after the other ([`executor`])              |
//! | committer | writes finished groups of messages and then answers them ([`commit`])                  |
//! | queries   | a pool that runs queries on the last commit ([`queries`])                              |
//! | inspector | runs canister_inspect_message likewise                                                 |
//!
//! Invariants: a message is applied whole or not at all (I2); a request is executed once, however often it comes (I5); an answer leaves after
//! its effects are durable; a crash is an upgrade to the same module (I1).

mod calls;
mod commit;
mod config;
mod error;
mod executor;
mod inbox;
mod management;
mod metrics;
mod network;
mod pending;
mod published;
mod queries;
mod rejects;
mod start;

pub use config::Config;
pub use error::{InstallError, Installed, OpenError, SubmitError};
pub(crate) use network::ROOT;
pub(crate) use start::{NO_ARGUMENTS, start_instance, surroundings};

use crate::message::{
    CanisterState, Ingress, Reject, RequestId, RequestInfo, RequestStatus, StateTree, TreeChanges,
};
use crate::runtime::{
    CodeCache, CompiledModule, Environment, Network, Runtime, THREAD_STACK_BYTES,
};
use crate::store::{Folder, StableMemory, Store, StoreError};
use candid::Principal;
use inbox::{Inbox, Job, NotTaken};
use management::log::CanisterLog;
use management::manager::Manager;
use metrics::EngineMetrics;
use pending::{Begun, Pending};
use published::Published;
use queries::{Purpose, QueryJob, QueryQueue};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Cycles a canister is told it has, all of them to spend: nothing is charged here, and no size of a canister makes this balance look low.
/// It fits the 64 bits of the older system call.
const CYCLE_BALANCE: u128 = 1_000_000_000_000_000_000;

/// The canister id of a state folder made without asking for one: what older local scripts expect.
const DEFAULT_CANISTER_ID: &str = "uxrrr-q7777-77774-qaaaq-cai";

/// How an execution made in process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    pub result: Result<Vec<u8>, Reject>,
    /// Instructions used, in the Internet Computer's weights; 0 where nothing was run. For a call that made calls, those of all its messages.
    pub instructions: u64,
}

impl Executed {
    fn new(result: Result<Vec<u8>, Reject>, instructions: u64) -> Executed {
        Executed {
            result,
            instructions,
        }
    }
}

/// What a message may use up, as configured.
struct Limits {
    update_instructions: u64,
    stable_pages: u64,
}

/// What the threads and the handles share.
struct Shared {
    store: Store,
    folder: Folder,
    runtime: Arc<Runtime>,
    canister_id: Principal,
    /// Who controls the canister until controllers are stored.
    first_controllers: Vec<Principal>,
    limits: Limits,
    inbox: Inbox,
    queries: QueryQueue,
    /// Apart from the queries, so that these do not hold up updates.
    inspections: QueryQueue,
    manager: Manager,
    log: CanisterLog,
    metrics: EngineMetrics,
    pending: Pending,
    published: Published,
    observer: Mutex<Option<Arc<dyn StateTree>>>,
    commits: AtomicU64,
}

/// A handle on the engine; cheap to clone. The engine stops when the last one is dropped, or by [`Engine::shutdown`];
/// both block until the message being executed is committed.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Opens a state folder and starts the canister in it, if one is installed: an instance is made and its canister_post_upgrade is
    /// run, as after an upgrade (I1). Blocks until the canister runs.
    ///
    /// A canister that cannot be started is no error here: [`Engine::fault`] tells why, its calls are rejected, and another module may be installed.
    ///
    /// # Errors
    /// Where the folder cannot be used, see [`OpenError`].
    pub fn open(config: Config) -> Result<Engine, OpenError> {
        let folder = Folder::open(&config.state_dir)?;
        let store = Store::open(&folder.data(), config.max_store_bytes)?;
        let found = store.view()?.canister()?.map(|record| record.canister_id);
        let canister_id = match (found, config.canister_id) {
            (Some(found), Some(asked)) if found != asked => {
                return Err(OpenError::OtherCanister { found, asked });
            }
            (Some(found), _) => found,
            (None, Some(asked)) => asked,
            (None, None) => Principal::from_text(DEFAULT_CANISTER_ID)
                .map_err(|error| OpenError::Machine(error.to_string()))?,
        };
        let network = network::of(&folder);
        let runtime = make_runtime(&config, canister_id, network, true)
            .map_err(|error| OpenError::Machine(error.to_string()))?;
        let shared = Arc::new(Shared {
            store,
            folder,
            runtime,
            canister_id,
            first_controllers: config.controllers,
            limits: Limits {
                update_instructions: config.max_update_instructions,
                stable_pages: config.max_stable_pages,
            },
            inbox: Inbox::default(),
            queries: QueryQueue::default(),
            inspections: QueryQueue::default(),
            manager: Manager::default(),
            log: CanisterLog::default(),
            metrics: EngineMetrics::default(),
            pending: Pending::default(),
            published: Published::default(),
            observer: Mutex::default(),
            commits: AtomicU64::new(0),
        });
        let engine = Engine {
            inner: Arc::new(Inner {
                shared: shared.clone(),
                threads: Mutex::default(),
            }),
        };
        let (sealed, to_commit) = mpsc::sync_channel(1);
        let (started, when_started) = mpsc::channel();
        let at_executor = shared.clone();
        engine.spawn("executor", move || {
            executor::run(&at_executor, sealed, &started)
        })?;
        let at_committer = shared.clone();
        engine.spawn("committer", move || commit::run(&at_committer, &to_commit))?;
        let workers = config.query_threads.unwrap_or_else(|| {
            thread::available_parallelism().map_or(2, |count| count.get().max(2))
        });
        for _ in 0..workers.max(1) {
            let shared = shared.clone();
            engine.spawn("query", move || queries::run(&shared, &shared.queries))?;
        }
        let at_inspector = shared.clone();
        engine.spawn("inspector", move || {
            queries::run(&at_inspector, &at_inspector.inspections);
        })?;
        let at_manager = shared.clone();
        let keeps = config.keep_unfinished_load;
        engine.spawn("manager", move || {
            management::manager::run(&at_manager, keeps);
        })?;
        match when_started.recv() {
            Ok(result) => result?,
            Err(_) => return Err(OpenError::Machine("the executor did not start".into())),
        }
        Ok(engine)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = thread::Builder::new()
            .name(name.into())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(run)
            .map_err(|error| OpenError::Machine(error.to_string()))?;
        self.inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Installs a module, or upgrades to it where one is installed. The module may be compressed with gzip. Messages go on being executed
    /// while it is compiled. Blocks until the result is durable.
    ///
    /// The argument goes to canister_init, and to canister_post_upgrade. Heartbeats and low-memory hooks are not run. Calls the canister has made and not got answered are forgotten by an upgrade.
    ///
    /// # Errors
    /// See [`InstallError`]; the module installed before runs on.
    pub fn install(&self, wasm: &[u8], arg: &[u8]) -> Result<Installed, InstallError> {
        let shared = &self.inner.shared;
        let module = CompiledModule::new(&shared.runtime, wasm, &shared.folder.cache())?;
        let (answer, installed) = mpsc::channel();
        let job = Job::Install {
            module: Arc::new(module),
            wasm: wasm.to_vec(),
            arg: arg.to_vec(),
            answer,
        };
        match shared.inbox.put(job) {
            Ok(()) => {}
            Err(NotTaken::Closed) => return Err(InstallError::Stopped),
            Err(NotTaken::Full) => {
                return Err(InstallError::Storage(
                    "too many messages are waiting".into(),
                ));
            }
        }
        installed.recv().unwrap_or(Err(InstallError::Stopped))
    }

    /// Executes an authenticated update call and returns its final status, after its effects are durable. A request that
    /// was sent before, and is under way or kept, is not executed again: its status is returned (I5).
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing of the message is kept then.
    pub async fn submit(&self, ingress: Ingress) -> Result<RequestStatus, SubmitError> {
        let shared = &self.inner.shared;
        let id = ingress.request_id;
        if let Some(waiting) = shared.pending.join(&id) {
            return waiting.await.unwrap_or(Err(SubmitError::Stopped));
        }
        let stored = || -> Result<Option<RequestStatus>, StoreError> {
            Ok(shared
                .store
                .view()?
                .request_sent(&id, ingress.expiry)?
                .map(|record| record.status()))
        };
        let unreadable = |error: StoreError| SubmitError::Refused(rejects::unreadable(&error));
        if let Some(status) = stored().map_err(unreadable)? {
            return Ok(status);
        }
        // Statuses are kept beyond their expiry by the same clock, so that what was forgotten is refused here.
        if self.time() > ingress.expiry {
            return Err(SubmitError::Expired);
        }
        self.accept(&ingress).await?;
        match shared.pending.begin(&ingress, stored).map_err(unreadable)? {
            Begun::Stored(status) => Ok(status),
            Begun::Joined(waiting) => waiting.await.unwrap_or(Err(SubmitError::Stopped)),
            Begun::New(waiting) => {
                if let Err(not_taken) = shared.inbox.put(Job::Ingress(ingress)) {
                    let error = match not_taken {
                        NotTaken::Full => SubmitError::Busy,
                        NotTaken::Closed => SubmitError::Stopped,
                    };
                    shared.pending.finish(&id, &Err(error));
                }
                waiting.await.unwrap_or(Err(SubmitError::Stopped))
            }
        }
    }

    /// Whether the message may be executed at all, before anything of it is kept.
    async fn accept(&self, ingress: &Ingress) -> Result<(), SubmitError> {
        let shared = &self.inner.shared;
        let latest = shared.published.latest();
        if ingress.canister_id == Principal::management_canister() {
            let settings = latest.map(|version| version.settings.clone());
            let caller = management::methods::Caller::Ingress(ingress.sender);
            return management::allow(&ingress.method, caller, &settings.unwrap_or_default())
                .map(|_| ())
                .map_err(SubmitError::Refused);
        }
        if ingress.canister_id != shared.canister_id {
            return Err(SubmitError::Refused(rejects::no_canister(
                &ingress.canister_id,
            )));
        }
        let inspects = latest.and_then(|version| version.module.clone());
        if !inspects.is_some_and(|module| module.has("canister_inspect_message")) {
            return Ok(());
        }
        self.ask(
            Purpose::Inspect,
            ingress.sender,
            ingress.method.clone(),
            ingress.arg.clone(),
        )
        .await
        .result
        .map(|_| ())
        .map_err(SubmitError::Refused)
    }

    /// The status of a request that is under way or kept.
    pub fn request_status(&self, id: &RequestId) -> Option<RequestStatus> {
        self.request_info(id).map(|info| info.status)
    }

    /// What is known of a request that is under way or kept: until its expiry and a minute beyond.
    pub fn request_info(&self, id: &RequestId) -> Option<RequestInfo> {
        let shared = &self.inner.shared;
        // In this order: a request leaves the first only after the second has it.
        shared.pending.info(id).or_else(|| {
            let found = shared
                .store
                .view_after_repair()
                .and_then(|view| view.request(id));
            match found {
                Ok(record) => record.map(|record| record.info()),
                Err(error) => {
                    tracing::error!(%error, "a request's status could not be read");
                    None
                }
            }
        })
    }

    /// Executes a query method on the last commit, and changes nothing.
    ///
    /// # Errors
    /// The reject the caller gets.
    pub async fn query(
        &self,
        sender: Principal,
        method: &str,
        arg: &[u8],
    ) -> Result<Vec<u8>, Reject> {
        self.execute_query(sender, method, arg).await.result
    }

    /// As [`Engine::query`], with the instructions used.
    pub async fn execute_query(&self, sender: Principal, method: &str, arg: &[u8]) -> Executed {
        self.ask(Purpose::Query, sender, method.into(), arg.to_vec())
            .await
    }

    async fn ask(
        &self,
        purpose: Purpose,
        sender: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> Executed {
        let (answer, executed) = oneshot::channel();
        let job = QueryJob {
            purpose,
            sender,
            method,
            arg,
            answer,
        };
        let queue = match purpose {
            Purpose::Query => &self.inner.shared.queries,
            Purpose::Inspect => &self.inner.shared.inspections,
        };
        match queue.put(job) {
            Ok(()) => executed
                .await
                .unwrap_or_else(|_| Executed::new(Err(rejects::stopped()), 0)),
            Err(reject) => Executed::new(Err(reject), 0),
        }
    }

    /// Executes an update method for `sender` as if it came by ingress, but without a request id, without inspection, and
    /// without a status kept. Durable like any other.
    pub async fn execute_update(&self, sender: Principal, method: &str, arg: &[u8]) -> Executed {
        self.execute_update_within(sender, method, arg, u64::MAX)
            .await
    }

    /// As [`Engine::execute_update`], where all messages of the call together may use `instructions`, and each no more than any
    /// message may: the one that would use more traps, as at the limit of a message. Calls that the canister makes to itself are calls of
    /// their own.
    pub async fn execute_update_within(
        &self,
        sender: Principal,
        method: &str,
        arg: &[u8],
        instructions: u64,
    ) -> Executed {
        let (answer, executed) = oneshot::channel();
        let job = Job::Direct {
            sender,
            method: method.into(),
            arg: arg.to_vec(),
            budget: instructions,
            answer,
        };
        let reject = match self.inner.shared.inbox.put(job) {
            Ok(()) => {
                return executed
                    .await
                    .unwrap_or_else(|_| Executed::new(Err(rejects::stopped()), 0));
            }
            Err(NotTaken::Closed) => rejects::stopped(),
            Err(NotTaken::Full) => rejects::busy("messages"),
        };
        Executed::new(Err(reject), 0)
    }

    /// Stable memory as committed last, to read from: for copies and audits. It stays as it is while the canister goes on, and the
    /// disk space of what changes meanwhile is not free before it is dropped.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn stable_memory(&self) -> Result<StableMemory, StoreError> {
        let view = self.inner.shared.store.view()?;
        let pages = view.canister()?.map_or(0, |record| record.stable_pages);
        Ok(StableMemory::new(view, None, pages))
    }

    /// The canister's part of the state tree, as committed last.
    pub fn state(&self) -> CanisterState {
        let latest = self.inner.shared.published.latest();
        latest
            .map(|version| (*version.state).clone())
            .unwrap_or_default()
    }

    /// Why the canister does not run, where it does not: its start after the last opening failed.
    pub fn fault(&self) -> Option<String> {
        self.inner
            .shared
            .published
            .latest()
            .and_then(|version| version.fault.clone())
    }

    pub fn canister_id(&self) -> Principal {
        self.inner.shared.canister_id
    }

    /// Nanoseconds since 1970 UTC; never below the time of the last commit.
    pub fn time(&self) -> u64 {
        let committed = self
            .inner
            .shared
            .published
            .latest()
            .map_or(0, |version| version.time);
        committed.max(wall_clock())
    }

    /// Commits made since the engine was opened.
    pub fn commits(&self) -> u64 {
        self.inner.shared.commits.load(Ordering::Relaxed)
    }

    /// Sets who certifies the state. Everything stored is applied at once, every commit afterwards.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn set_observer(&self, observer: Arc<dyn StateTree>) -> Result<(), StoreError> {
        let shared = &self.inner.shared;
        // Held over both steps: a commit is either read here or applied afterwards, or both, which changes nothing.
        let mut current = shared
            .observer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let view = shared.store.view()?;
        let mut changes = TreeChanges {
            time: self.time(),
            canister: Some(self.state()),
            ..TreeChanges::default()
        };
        for entry in view.requests()? {
            let (id, record) = entry?;
            changes.requests.push((id, record.status()));
        }
        observer.apply(&changes);
        *current = Some(observer);
        Ok(())
    }

    /// The secret called `name` of this state folder, made by `make` the first time. Durable, and readable by the folder's owner only.
    ///
    /// # Errors
    /// Where it cannot be read or written, or the name has other characters than lowercase letters, digits, `-` and `_`.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
        self.inner.shared.folder.secret(name, make)
    }

    /// Stops: the message being executed is finished and committed, those that wait are not begun. Blocks until all is on
    /// the disk.
    /// The state folder is free again when the last handle is dropped.
    pub fn shutdown(&self) {
        self.inner.stop();
    }
}

impl Inner {
    fn stop(&self) {
        let dropped = self.shared.inbox.close();
        for job in dropped {
            if let Job::Ingress(ingress) = job {
                self.shared
                    .pending
                    .finish(&ingress.request_id, &Err(SubmitError::Stopped));
            }
        }
        self.shared.queries.close();
        self.shared.manager.close();
        self.shared.inspections.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine panicked");
            }
        }
        self.shared.published.close();
        self.shared.pending.finish_all(&Err(SubmitError::Stopped));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What runs a canister of this id, as configured. Where it `owns` the state folder it leaves compiled modules there.
fn make_runtime(
    config: &Config,
    canister_id: Principal,
    network: Arc<OnceLock<Network>>,
    owns: bool,
) -> wasmtime::Result<Arc<Runtime>> {
    let environment = Environment {
        canister_id,
        cycle_balance: CYCLE_BALANCE,
        network,
    };
    let code = CodeCache {
        shared: config.code_cache.clone(),
        writes: owns,
    };
    let runtime = Runtime::new(environment, config.max_heap_bytes)?;
    Ok(Arc::new(runtime.with_code_cache(code)))
}

/// What runs a canister of this id where nobody knows the network, and leaves nothing in the state folder.
pub(crate) fn canister_runtime(
    config: &Config,
    canister_id: Principal,
) -> wasmtime::Result<Arc<Runtime>> {
    make_runtime(config, canister_id, Arc::default(), false)
}

/// Nanoseconds since 1970 UTC by the machine's clock.
fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
        })
}
