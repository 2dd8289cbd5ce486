//! What the journal says of the files of a run, and what the run notes in it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Result;
use keepsake_client::{Bundle, DerivativeFate, Kept, KeptCompanion, Vault, vault::MOST_IDS};
use tokio::task::spawn_blocking;

use super::journal::{Entry, Journal, Owner, Stamp, State, now};
use crate::{args::Upload, gather::Item, output, paths};

/// What is known of a bundle before it is looked into.
#[derive(Debug)]
pub enum Noted {
    Nothing,
    /// The hash of its file.
    Hash([u8; 32]),
    /// All of it is kept, in this memory, which is there.
    Whole(String, Entry),
}

/// The journal, if there is one.
pub struct Notes {
    journal: Option<Journal>,
    /// No derivatives are wanted.
    fast: bool,
}

impl Notes {
    /// Opens the journal that `upload` wants for `capsule_id`; waits while another run has it. One that was not named and cannot
    /// be opened is told of, and done without.
    ///
    /// # Errors
    /// A journal that was named and cannot be used.
    pub async fn open(upload: &Upload, vault: &Vault, capsule_id: &str) -> Result<Self> {
        let notes = |journal| Notes {
            journal,
            fast: upload.fast,
        };
        if upload.no_journal {
            return Ok(notes(None));
        }
        let owner = Owner {
            root_key: hex::encode(vault.root_key()),
            canister_id: vault.canister_id().to_text(),
            capsule_id: capsule_id.to_owned(),
        };
        let waiting = || {
            eprintln!(
                "keepsake: waiting for another upload into this capsule to end (--no-journal does not wait)"
            );
        };
        if let Some(path) = &upload.journal {
            return Ok(notes(Some(Journal::open(path, &owner, waiting).await?)));
        }
        let opened = match paths::journals() {
            Ok(folder) => Journal::open(&folder.join(owner.file_name()), &owner, waiting).await,
            Err(e) => Err(e),
        };
        Ok(notes(opened.map_or_else(
            |e| {
                eprintln!("keepsake: going on without a journal: {e:#}");
                None
            },
            Some,
        )))
    }

    /// What is known of each of `items`, in their order. Of what is kept the vault is asked whether it still has it.
    ///
    /// # Errors
    /// The vault's.
    pub async fn known(&self, vault: &Vault, items: &[Item]) -> Result<Vec<Noted>> {
        let Some(journal) = &self.journal else {
            return Ok(items.iter().map(|_| Noted::Nothing).collect());
        };
        // Some file systems take their time over each; the run has nothing else to do yet.
        let mut noted: Vec<Noted> = tokio::task::block_in_place(|| {
            let known = |item: &Item| match item {
                Item::Bundle { bundle, .. } => known(journal, bundle, self.fast),
                Item::Unreadable { .. } => Noted::Nothing,
            };
            items.iter().map(known).collect()
        });
        let ids: HashSet<&str> = noted
            .iter()
            .filter_map(|noted| match noted {
                Noted::Whole(memory_id, _) => Some(memory_id.as_str()),
                _ => None,
            })
            .collect();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        let mut there = HashSet::new();
        for some in ids.chunks(MOST_IDS) {
            let answers = vault.memories_ping(some).await?;
            there.extend(
                answers
                    .into_iter()
                    .filter(|answer| answer.metadata_present && answer.asset_present)
                    .map(|answer| answer.memory_id),
            );
        }
        for noted in &mut noted {
            if let Noted::Whole(memory_id, entry) = noted
                && !there.contains(memory_id)
            {
                *noted = entry.hash().map_or(Noted::Nothing, Noted::Hash);
            }
        }
        Ok(noted)
    }

    /// Looks at a bundle's files before they are read.
    pub async fn look(&self, bundle: &Bundle) -> Looked {
        let stamps = match self.journal {
            Some(_) => stamps(bundle.clone()).await,
            None => Vec::new(),
        };
        Looked {
            read_at: now(),
            bundle: bundle.clone(),
            stamps,
        }
    }
}

fn known(journal: &Journal, bundle: &Bundle, fast: bool) -> Noted {
    let find = |path: &Path| journal.find(path, &Stamp::of(path).ok()?);
    let Some(entry) = find(&bundle.path) else {
        return Noted::Nothing;
    };
    let is_enough = match entry.state {
        State::Whole => true,
        State::Fast => fast,
        State::Seen | State::Incomplete => false,
    };
    if is_enough && let Some(memory_id) = &entry.memory_id {
        let with_it = |path: &PathBuf| {
            find(path).is_some_and(|companion| entry.with.contains(&companion.sha256))
        };
        if bundle.companions.paths().all(with_it) {
            return Noted::Whole(memory_id.clone(), entry.clone());
        }
    }
    entry.hash().map_or(Noted::Nothing, Noted::Hash)
}

/// Of the file and its companions, in their order; `None` for what cannot be looked at.
async fn stamps(bundle: Bundle) -> Vec<Option<Stamp>> {
    let looking = spawn_blocking(move || {
        std::iter::once(&bundle.path)
            .chain(bundle.companions.paths())
            .map(|path| Stamp::of(path).ok())
            .collect()
    });
    // Only while the program is stopping; nothing is noted then.
    looking.await.unwrap_or_default()
}

/// A bundle as it was before it was read.
pub struct Looked {
    bundle: Bundle,
    stamps: Vec<Option<Stamp>>,
    read_at: u64,
}

impl Looked {
    /// Notes the hash of the bundle's file.
    pub fn identified(&self, notes: &Notes, sha256: [u8; 32]) {
        if let (Some(journal), Some(Some(stamp))) = (&notes.journal, self.stamps.first()) {
            journal.note(&self.bundle.path, self.entry(*stamp, sha256));
        }
    }

    /// Notes what is kept, where it is still as it was looked at.
    pub async fn kept(&self, notes: &Notes, kept: &Kept) {
        let Some(journal) = &notes.journal else {
            return;
        };
        let now = stamps(self.bundle.clone()).await;
        let unchanged = |n: usize| -> Option<Stamp> {
            let before = (*self.stamps.get(n)?)?;
            (*now.get(n)? == Some(before)).then_some(before)
        };
        for (n, path) in self.bundle.companions.paths().enumerate() {
            let companion = kept.companions.iter().find(|c| c.path == *path);
            if let Some(sha256) = companion.and_then(|companion| companion.sha256)
                && let Some(stamp) = unchanged(n + 1)
            {
                journal.note(path, self.entry(stamp, sha256));
            }
        }
        // Last, because it stands for all of it.
        if let Some(stamp) = unchanged(0) {
            let is_there =
                |companion: &&KeptCompanion| !matches!(companion.fate, DerivativeFate::Failed(_));
            let entry = Entry {
                memory_id: Some(kept.memory_id.clone()),
                state: match (kept.is_whole(), notes.fast) {
                    (true, false) => State::Whole,
                    (true, true) => State::Fast,
                    (false, _) => State::Incomplete,
                },
                with: kept
                    .companions
                    .iter()
                    .filter(is_there)
                    .filter_map(|companion| companion.sha256)
                    .map(hex::encode)
                    .collect(),
                mime: kept.mime.clone(),
                memory_type: output::lower(kept.memory_type),
                ..self.entry(stamp, kept.sha256)
            };
            journal.note(&self.bundle.path, entry);
        }
    }

    /// What is known of a file that was seen and no more.
    fn entry(&self, stamp: Stamp, sha256: [u8; 32]) -> Entry {
        Entry {
            stamp,
            read_at: self.read_at,
            sha256: hex::encode(sha256),
            memory_id: None,
            state: State::Seen,
            with: Vec::new(),
            mime: String::new(),
            memory_type: String::new(),
        }
    }
}
