//! Which content the capsule holds, asked by hash. Questions that come up while another one is on its way travel together.

use std::sync::{Mutex, PoisonError};

use keepsake_api::HeldBlob;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::{ClientError, Vault, vault::MOST_HASHES};

/// A question that waits for its turn.
struct Question {
    sha256: [u8; 32],
    answer: oneshot::Sender<Option<HeldBlob>>,
}

/// The questions of one run about one capsule.
#[derive(Default)]
pub(crate) struct Asked {
    waiting: Mutex<Vec<Question>>,
    /// Held by who asks the vault, on behalf of all who wait.
    turn: AsyncMutex<()>,
}

impl Asked {
    /// A blob of the capsule with this content, where there is one.
    pub async fn held(
        &self,
        vault: &Vault,
        capsule_id: &str,
        sha256: [u8; 32],
    ) -> Result<Option<HeldBlob>, ClientError> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.waiting().push(Question { sha256, answer });
            let turn = self.turn.lock().await;
            match answered.try_recv() {
                Ok(held) => return Ok(held),
                // Who asked for us failed or was cancelled: we ask ourselves.
                Err(oneshot::error::TryRecvError::Closed) => continue,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let batch: Vec<Question> = {
                let mut waiting = self.waiting();
                let many = waiting.len().min(MOST_HASHES);
                waiting.drain(..many).collect()
            };
            let hashes: Vec<[u8; 32]> = batch.iter().map(|question| question.sha256).collect();
            let held = vault.blobs_by_hash(capsule_id, &hashes).await?;
            for (question, held) in batch.into_iter().zip(held) {
                // Who does not wait any more needs no answer.
                let _ = question.answer.send(held);
            }
            drop(turn);
            // Not there only where more than a batch was waiting before us.
            if let Ok(held) = answered.try_recv() {
                return Ok(held);
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Question>> {
        // Nothing panics while it is held; a list is whole after every step anyway.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
