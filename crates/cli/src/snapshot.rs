//! `keepsake snapshot`: everything a vault on this machine holds, to a folder and from a folder, in the layout of
//! `icp canister snapshot download` and `upload`.
//!
//! Saving works while the vault is served; loading takes the state folder for itself. Both are all or nothing: a folder without
//! `metadata.json` is no snapshot, and a vault that is being loaded stays what it was until the last moment. Interrupted, both
//! go on where they were when they are called again.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use keepsake_host::{
    engine::{Config, Engine, OpenError},
    snapshot::{self, Layout, Metadata, Progress, SnapshotError},
    store::FolderError,
};

use crate::{
    Outcome,
    args::{Common, LoadSnapshot, SaveSnapshot, Snapshot},
    operation,
    output::{self, Output},
    paths,
};

pub async fn run(snapshot: Snapshot, common: &Common, output: &mut Output) -> Result<Outcome> {
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = stopped.clone();
    let progress = progress_bar();
    let watch = {
        let progress = progress.clone();
        move |now: Progress| {
            progress.set_length(now.total);
            progress.set_position(now.done);
            !stop.load(Ordering::Relaxed)
        }
    };
    let canister_id = common.canister_id;
    let mut working = tokio::task::spawn_blocking(move || match snapshot {
        Snapshot::Save(args) => save(args, watch).map(Done::Saved),
        Snapshot::Load(args) => load(args, canister_id, watch).map(Done::Loaded),
    });
    let done = tokio::select! {
        done = &mut working => done,
        Ok(()) = tokio::signal::ctrl_c() => {
            // What is written is flushed, so that it ends in order; the next call goes on from there.
            stopped.store(true, Ordering::Relaxed);
            working.await
        }
    };
    progress.finish_and_clear();
    match done.context("the snapshot's thread ended abnormally")? {
        Ok(done) => report(&done, output),
        Err(_) if stopped.load(Ordering::Relaxed) => Ok(Outcome::Interrupted),
        Err(error) => Err(error),
    }
}

/// What was done.
enum Done {
    Saved(Summary),
    Loaded(Summary),
}

struct Summary {
    canister_id: String,
    dir: PathBuf,
    state: PathBuf,
    metadata: Metadata,
}

fn save(
    args: SaveSnapshot,
    mut watch: impl FnMut(Progress) -> bool + Send + 'static,
) -> Result<Summary> {
    let state = state(args.state)?;
    let to = Layout::new(&args.dir);
    let mut config = Config::new(&state);
    config.code_cache = operation::code_cache();
    let saved = snapshot::save(&config, &to, args.update, &mut watch).map_err(|error| {
        anyhow!(match &error {
            SnapshotError::Exists(dir) => format!(
                "{} holds a snapshot already; bring it up to date with --update, or choose another folder",
                dir.display()
            ),
            SnapshotError::Folder(FolderError::Foreign(dir)) => format!(
                "there is no vault in {}; say where it is with --state",
                dir.display()
            ),
            _ => error.to_string(),
        })
    })?;
    Ok(Summary {
        canister_id: saved.canister_id.to_text(),
        dir: args.dir,
        state,
        metadata: saved.metadata,
    })
}

fn load(
    args: LoadSnapshot,
    canister_id: Option<candid::Principal>,
    watch: impl FnMut(Progress) -> bool + Send + 'static,
) -> Result<Summary> {
    let state = state(args.state)?;
    let from = Layout::new(&args.dir);
    // Before the state folder is touched.
    let metadata = from.read_metadata()?;
    let mut config = Config::new(&state);
    config.canister_id = canister_id;
    config.keep_unfinished_load = true;
    config.code_cache = operation::code_cache();
    let engine = Engine::open(config).map_err(|error| match &error {
        OpenError::Folder(FolderError::Locked(_)) => anyhow!(
            "{} is being served; stop that first, or send the snapshot to it with `icp canister snapshot upload` and `restore`",
            state.display()
        ),
        _ => anyhow!(error),
    })?;
    if engine.state().module_hash.is_some() && !args.replace {
        bail!(
            "there is a vault in {} already; --replace puts the snapshot in its place, and what it holds is gone then",
            state.display()
        );
    }
    let loaded = engine.load_snapshot(&from, Box::new(watch));
    loaded.map_err(|reject| anyhow!(reject.message))?;
    let canister_id = engine.canister_id().to_text();
    engine.shutdown();
    Ok(Summary {
        canister_id,
        dir: args.dir,
        state,
        metadata,
    })
}

fn state(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder),
        None => paths::state(),
    }
}

fn report(done: &Done, output: &mut Output) -> Result<Outcome> {
    let (code, summary) = match done {
        Done::Saved(summary) => ("saved", summary),
        Done::Loaded(summary) => ("loaded", summary),
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (dir, state) = (absolute(&summary.dir), absolute(&summary.state));
    let metadata = &summary.metadata;
    let bytes = metadata.wasm_module_size + metadata.wasm_memory_size + metadata.stable_memory_size;
    if output.is_json() {
        output.json(&serde_json::json!({
            "done": code,
            "snapshot": dir.to_string_lossy(),
            "state": state.to_string_lossy(),
            "canister_id": summary.canister_id,
            "taken_at": output::rfc3339(metadata.taken_at_timestamp),
            "bytes": bytes,
            "stable_memory_bytes": metadata.stable_memory_size,
        }))?;
        return Ok(Outcome::AllWell);
    }
    match done {
        Done::Saved(_) => {
            output.line("Saved: everything in the vault, its secrets included. Keep the folder to yourself.")?;
        }
        Done::Loaded(_) => {
            output.line("Loaded: the vault is what the snapshot holds.")?;
        }
    }
    output.line(&format!("  snapshot     {}", dir.display()))?;
    output.line(&format!("  state        {}", state.display()))?;
    output.line(&format!("  canister id  {}", summary.canister_id))?;
    output.line(&format!(
        "  as of        {} UTC",
        output::date(metadata.taken_at_timestamp)
    ))?;
    output.line(&format!("  size         {}", output::bytes(bytes)))?;
    Ok(Outcome::AllWell)
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(
        "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    ) {
        bar.set_style(style);
    }
    bar
}
