//! What comes to a memory beside its original: derivatives as they become ready, and the companions of its file. All of it is
//! added in one call.

use futures::{StreamExt, stream};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    DerivativeFate, Importer, Progress,
    adding::{Adding, Brought},
    companion::{Companion, KeptCompanion},
    facts::Facts,
};
use crate::{
    derivatives::{self, Derivative, Kind},
    media::Decoding,
};

/// Derivatives on their way from the thread that makes them.
pub(super) type Ready = mpsc::Receiver<(Kind, Result<Derivative, String>)>;

/// Uploads of one memory's parts that go on side by side.
const SIDE_BY_SIDE: usize = 4;

/// Which part: a derivative, or a companion by its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Derivative(Kind),
    Companion(usize),
}

/// A part that was brought into the vault, with the hash of a companion, or why it was not.
type Arrived = (Part, Option<[u8; 32]>, Result<Brought, String>);

enum Work<'a> {
    Made(Kind, Result<Derivative, String>),
    Companion(usize, &'a Companion),
}

/// What became of the parts.
pub(super) struct Added {
    pub derivatives: Vec<(Kind, DerivativeFate)>,
    /// In the order in which they were handed in.
    pub companions: Vec<KeptCompanion>,
}

impl Importer {
    /// Lane B: starts at once, on its own thread, and hands over each derivative as it is ready.
    pub(super) fn make_derivatives(&self, facts: &Facts, wanted: &[Kind]) -> Ready {
        let (ready, receiver) = mpsc::channel(Kind::ALL.len());
        let Decoding::Photo(format) = facts.media.decoding else {
            return receiver;
        };
        if wanted.is_empty() {
            return receiver;
        }
        let wanted = wanted.to_vec();
        let path = facts.file.path.clone();
        let orientation = facts.exif.and_then(|exif| exif.orientation);
        let megapixels = facts.megapixels();
        let decoding = self.decoding.clone();
        tokio::spawn(async move {
            // The semaphore is never closed; if it were, the derivatives would be missing from the report,
            // which the receiver notices.
            let Ok(_permit) = decoding.acquire_many_owned(megapixels).await else {
                return;
            };
            let _ = spawn_blocking(move || {
                derivatives::make(&path, format, orientation, &wanted, |kind, result| {
                    let result = result.map_err(|e| e.to_string());
                    // Nobody listens any more when the original could not be kept.
                    let _ = ready.blocking_send((kind, result));
                });
            })
            .await;
        });
        receiver
    }

    /// Brings derivatives, as they become ready, and companions into the vault, and adds them to their memory in one call.
    pub(super) async fn add_parts(
        &self,
        facts: &Facts,
        memory_id: &str,
        wanted: &[Kind],
        mut ready: Ready,
        companions: &[&Companion],
        progress: &dyn Progress,
    ) -> Added {
        let adding = Adding {
            importer: self,
            facts,
            memory_id,
        };
        let adding = &adding;
        let made = stream::poll_fn(|context| ready.poll_recv(context))
            .map(|(kind, made)| Work::Made(kind, made));
        let files = stream::iter(companions.iter().enumerate())
            .map(|(n, companion)| Work::Companion(n, companion));
        let brought: Vec<Arrived> = stream::select(made, files)
            .map(|work| async move {
                match work {
                    Work::Made(kind, Ok(derivative)) => {
                        (Part::Derivative(kind), None, adding.bring(derivative).await)
                    }
                    Work::Made(kind, Err(reason)) => (Part::Derivative(kind), None, Err(reason)),
                    Work::Companion(n, companion) => {
                        let (sha256, blob) = self.bring_companion(companion).await;
                        (Part::Companion(n), sha256, blob.map(Brought::Blob))
                    }
                }
            })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        let mut hashes = vec![None; companions.len()];
        let mut fates: Vec<(Part, DerivativeFate)> = Vec::new();
        let mut to_add = Vec::new();
        for (part, sha256, brought) in brought {
            if let Part::Companion(n) = part {
                hashes[n] = sha256;
            }
            match brought {
                Ok(brought) => to_add.push((part, brought)),
                Err(reason) => fates.push((part, DerivativeFate::Failed(reason))),
            }
        }
        for (part, added) in adding.add(to_add).await {
            let fate = match added {
                Ok(()) => {
                    if let Part::Derivative(kind) = part {
                        progress.derivative(kind);
                    }
                    DerivativeFate::Added
                }
                Err(reason) => DerivativeFate::Failed(reason),
            };
            fates.push((part, fate));
        }
        let mut fate_of = |part: Part| {
            match fates.iter().position(|(done, _)| *done == part) {
                Some(at) => fates.swap_remove(at).1,
                // Only where the program is stopping, or the derivatives' thread died.
                None => DerivativeFate::Failed("it was not made".to_owned()),
            }
        };
        let mut derivatives: Vec<(Kind, DerivativeFate)> = wanted
            .iter()
            .map(|&kind| (kind, fate_of(Part::Derivative(kind))))
            .collect();
        derivatives.sort_by_key(|(kind, _)| *kind);
        let companions = companions
            .iter()
            .zip(hashes)
            .enumerate()
            .map(|(n, (companion, sha256))| KeptCompanion {
                path: companion.path.clone(),
                role: companion.role,
                sha256,
                fate: fate_of(Part::Companion(n)),
            })
            .collect();
        Added {
            derivatives,
            companions,
        }
    }
}
