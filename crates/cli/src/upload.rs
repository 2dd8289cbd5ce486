//! `keepsake upload`: files become memories; what became of each is told.
//!
//! One file's failure is that file's alone. Only when the vault itself stops answering does the run end early, and then
//! the files not tried are named as well. A photo whose original is kept but whose derivatives are not all there counts as
//! incomplete: it is reported with the reasons, and makes the exit code non-zero, because it is the sign of a damaged
//! file that its owner will want to know about.
//!
//! What earlier runs kept is in a journal ([`journal`]), and is not read again while it has not changed.

mod dry;
mod journal;
mod known;
mod report;

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keepsake_client::{ClientError, Importer, Progress, Vault};

use self::{
    known::{Noted, Notes},
    report::{Report, Summary},
};
use crate::{
    Outcome,
    args::{Common, Upload},
    connect,
    gather::{Item, Selection, bundled, gather},
    output::Output,
    problem,
};

pub async fn run(upload: Upload, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let selection = Selection::new(&upload.include, &upload.exclude)?;
    let items = {
        let (paths, separate) = (upload.paths.clone(), upload.separate);
        tokio::task::spawn_blocking(move || bundled(gather(&paths, &selection), separate))
            .await
            .context("the files could not be listed")?
    };
    let capsule = match (&upload.capsule, upload.dry_run) {
        (Some(id), _) => Some(id.clone()),
        (None, false) => Some(own_capsule_or_new(&vault).await?),
        (None, true) => connect::own_capsule(&vault).await?,
    };
    let jobs = usize::from(upload.jobs);
    if upload.dry_run {
        return dry::run(vault, capsule.as_deref(), items, upload.fast, jobs, output).await;
    }
    let capsule = capsule.context("a capsule was made, and is not there")?;
    let notes = Notes::open(&upload, &vault, &capsule).await?;
    let known = notes.known(&vault, &items).await?;
    let mut importer = Importer::open(vault, &capsule).await?;
    if upload.places {
        importer = importer.with_places();
    }
    if upload.fast {
        importer = importer.without_derivatives();
    }
    let bar = progress_bar(&items, output.is_json());
    let mut summary = Summary::new(&capsule);
    let mut reports = stream::iter(items.into_iter().zip(known))
        .map(|(item, known)| one(&importer, &notes, &bar, item, known))
        .buffer_unordered(jobs);
    while let Some(report) = reports.next().await {
        summary.count(&report);
        // The bar is taken off the terminal while a line is written.
        bar.suspend(|| report.print(output))?;
    }
    bar.finish_and_clear();
    summary.print(output)?;
    Ok(if summary.all_well() {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}

async fn own_capsule_or_new(vault: &Vault) -> Result<String, ClientError> {
    match connect::own_capsule(vault).await? {
        Some(id) => Ok(id),
        None => Ok(vault.capsules_create(None).await?.id),
    }
}

async fn one(
    importer: &Importer,
    notes: &Notes,
    bar: &ProgressBar,
    item: Item,
    known: Noted,
) -> Report {
    let (bundle, listed_len) = match item {
        Item::Bundle { bundle, len } => (bundle, len),
        Item::Unreadable { path, reason } => return Report::failed(path, reason),
    };
    let companions = bundle.companions.paths().count();
    let sha256 = match known {
        Noted::Whole(memory_id, entry) => {
            bar.inc(listed_len);
            return Report::known(bundle.path, listed_len, memory_id, entry, companions);
        }
        Noted::Hash(sha256) => Some(sha256),
        Noted::Nothing => None,
    };
    let looked = notes.look(&bundle).await;
    let progress = OnBar {
        bar,
        identified: &|sha256| looked.identified(notes, sha256),
        sent: AtomicU64::new(0),
        len: listed_len,
    };
    let result = importer.keep_bundle(&bundle, sha256, &progress).await;
    progress.finish();
    match result {
        Ok(kept) => {
            looked.kept(notes, &kept).await;
            Report::kept(bundle.path, kept)
        }
        Err(e) => {
            let reason = without_path(&e, &bundle.path.display().to_string());
            Report::failed(bundle.path, reason)
        }
    }
}

/// The report names the file itself.
fn without_path(error: &ClientError, path: &str) -> String {
    let text = problem::explain_client(error);
    match text.strip_prefix(path) {
        Some(rest) => rest.trim_start_matches([':', ' ']).to_owned(),
        None => text,
    }
}

/// One file's part of the bar.
struct OnBar<'a> {
    bar: &'a ProgressBar,
    /// What is done when the file's hash is known.
    identified: &'a (dyn Fn([u8; 32]) + Sync),
    sent: AtomicU64,
    /// As listed; the bar's total is made of these.
    len: u64,
}

impl OnBar<'_> {
    /// The file is done with, however it went.
    fn finish(&self) {
        let sent = self.sent.swap(self.len, Ordering::Relaxed);
        self.bar.inc(self.len.saturating_sub(sent));
    }
}

impl Progress for OnBar<'_> {
    fn identified(&self, sha256: [u8; 32]) {
        (self.identified)(sha256);
    }

    fn sent(&self, bytes: u64) {
        // Parts sent again must not drive the bar beyond the file's share.
        let before = self.sent.fetch_add(bytes, Ordering::Relaxed);
        let room = self.len.saturating_sub(before);
        self.bar.inc(bytes.min(room));
    }
}

/// On a terminal; elsewhere the lines of the report are progress enough.
fn progress_bar(items: &[Item], json: bool) -> ProgressBar {
    let total = items
        .iter()
        .map(|item| match item {
            Item::Bundle { len, .. } => *len,
            Item::Unreadable { .. } => 0,
        })
        .sum();
    let target = if json || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template(
        "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    ) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_ends_where_it_should() {
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::hidden());
        let file = OnBar {
            bar: &bar,
            identified: &|_| {},
            sent: AtomicU64::new(0),
            len: 60,
        };
        file.sent(50);
        file.sent(50);
        file.sent(50);
        file.finish();
        assert_eq!(bar.position(), 60);
        let failed = OnBar {
            bar: &bar,
            identified: &|_| {},
            sent: AtomicU64::new(0),
            len: 40,
        };
        failed.sent(1);
        failed.finish();
        assert_eq!(bar.position(), 100);
    }

    #[test]
    fn a_path_is_not_said_twice() {
        let error = ClientError::FileChanged {
            path: "a/b.jpg".into(),
        };
        assert!(without_path(&error, "a/b.jpg").starts_with("changed while"));
    }
}
