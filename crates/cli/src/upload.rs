//! `keepsake upload`: files become memories; what became of each is told.
//!
//! One file's failure is that file's alone. Only when the vault itself stops answering does the run end early, and then
//! the files not tried are named as well. A photo whose original is kept but whose derivatives are not all there counts as
//! incomplete: it is reported with the reasons, and makes the exit code non-zero, because it is the sign of a damaged
//! file that its owner will want to know about.

mod dry;
mod report;

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keepsake_client::{ClientError, Importer, Kept, Progress, Vault};

use self::report::{Report, Summary};
use crate::{
    Outcome,
    args::{Common, Upload},
    connect,
    gather::{Found, Selection, gather},
    output::Output,
    problem,
};

pub async fn run(upload: Upload, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let selection = Selection::new(&upload.include, &upload.exclude)?;
    let found = {
        let paths = upload.paths;
        tokio::task::spawn_blocking(move || gather(&paths, &selection))
            .await
            .context("the files could not be listed")?
    };
    let capsule = match (upload.capsule, upload.dry_run) {
        (Some(id), _) => Some(id),
        (None, false) => Some(own_capsule_or_new(&vault).await?),
        (None, true) => connect::own_capsule(&vault).await?,
    };
    if upload.dry_run {
        return dry::run(
            vault,
            capsule.as_deref(),
            found,
            usize::from(upload.jobs),
            output,
        )
        .await;
    }
    let capsule = capsule.context("a capsule was made, and is not there")?;
    let importer = Importer::open(vault, &capsule).await?;
    let bar = progress_bar(&found, output.is_json());
    let mut summary = Summary::new(&capsule);
    let mut reports = stream::iter(found)
        .map(|found| one(&importer, &bar, found))
        .buffer_unordered(usize::from(upload.jobs));
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

async fn one(importer: &Importer, bar: &ProgressBar, found: Found) -> Report {
    let (path, listed_len) = match found {
        Found::File { path, len } => (path, len),
        Found::Unreadable { path, reason } => return Report::failed(path, reason),
    };
    let progress = OnBar {
        bar,
        sent: AtomicU64::new(0),
        len: listed_len,
    };
    let result: Result<Kept, ClientError> = importer.keep(&path, &progress).await;
    progress.finish();
    match result {
        Ok(kept) => Report::kept(path, kept),
        Err(e) => {
            let reason = without_path(&e, &path.display().to_string());
            Report::failed(path, reason)
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
    fn sent(&self, bytes: u64) {
        // Parts sent again must not drive the bar beyond the file's share.
        let before = self.sent.fetch_add(bytes, Ordering::Relaxed);
        let room = self.len.saturating_sub(before);
        self.bar.inc(bytes.min(room));
    }
}

/// On a terminal; elsewhere the lines of the report are progress enough.
fn progress_bar(found: &[Found], json: bool) -> ProgressBar {
    let total = found
        .iter()
        .map(|found| match found {
            Found::File { len, .. } => *len,
            Found::Unreadable { .. } => 0,
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
