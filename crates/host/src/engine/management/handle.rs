//! What the engine's handle has of the management canister, for those who serve the canister: queries, controllers, snapshots.

use super::manager::{Task, Work};
use crate::engine::calls::Origin;
use crate::engine::inbox::{Job, NotTaken};
use crate::engine::{Engine, rejects};
use crate::message::Reject;
use crate::runtime::RunState;
use crate::snapshot::{Layout, Watch};
use candid::Principal;
use tokio::sync::oneshot;

impl Engine {
    /// Answers a query call of the management canister (`aaaaa-aa`): the canister's status, its snapshots, its log.
    ///
    /// # Errors
    /// The reject the caller gets.
    pub async fn query_management(
        &self,
        sender: Principal,
        method: &str,
        arg: Vec<u8>,
    ) -> Result<Vec<u8>, Reject> {
        let shared = self.inner.shared.clone();
        let method = method.to_owned();
        // It reads files.
        tokio::task::spawn_blocking(move || super::query(&shared, sender, &method, &arg))
            .await
            .unwrap_or_else(|_| Err(rejects::stopped()))
    }

    /// Loads a snapshot from a directory in the layout of [`crate::snapshot`], in place of everything the canister has. All of it, or nothing: what is
    /// there goes on until the snapshot is read, and stays where it cannot be used. `watch` is told how far the reading is, and stops
    /// it by answering false; another call goes on where an interrupted one has stopped. Blocks until it is durable; not to be called on an
    /// asynchronous runtime's own threads.
    ///
    /// # Errors
    /// The reject that a controller would get from `load_canister_snapshot`.
    pub fn load_snapshot(&self, from: &Layout, watch: Box<Watch<'static>>) -> Result<(), Reject> {
        let (answer, loaded) = oneshot::channel();
        let origin = Origin::Direct { answer, budget: 0 };
        let from = from.clone();
        let task = Task::Load { from, watch };
        match self.inner.shared.manager.put(Work { origin, task }) {
            Ok(()) => match loaded.blocking_recv() {
                Ok(executed) => executed.result.map(|_| ()),
                Err(_) => Err(rejects::stopped()),
            },
            Err(refused) => Err(refused.1),
        }
    }

    /// Whether the canister takes calls, as committed last: its controllers can stop it.
    pub fn run_state(&self) -> RunState {
        let latest = self.inner.shared.published.latest();
        latest.map_or(RunState::Running, |version| version.surroundings.run_state)
    }

    /// Makes principals controllers of the canister, besides those there are. Durable on return; blocks, and is not to be called on an asynchronous
    /// runtime's own threads.
    ///
    /// # Errors
    /// Where there are more than ten then, or the state cannot be stored.
    pub fn add_controllers(&self, new: &[Principal]) -> Result<(), Reject> {
        let shared = &self.inner.shared;
        let settings = shared
            .published
            .latest()
            .map(|version| version.settings.clone());
        let mut controllers = settings.unwrap_or_default().controllers.clone();
        if new.iter().all(|new| controllers.contains(new)) {
            return Ok(());
        }
        controllers.extend_from_slice(new);
        let (answer, done) = oneshot::channel();
        match shared.inbox.put(Job::Controllers {
            controllers,
            answer,
        }) {
            Ok(()) => match done.blocking_recv() {
                Ok(executed) => executed.result.map(|_| ()),
                Err(_) => Err(rejects::stopped()),
            },
            Err(NotTaken::Closed) => Err(rejects::stopped()),
            Err(NotTaken::Full) => Err(rejects::busy("messages")),
        }
    }
}
