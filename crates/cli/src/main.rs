//! The `keepsake` command: serves a vault on this machine, puts files into a vault, and gets them back.
//!
//! What it promises: every file's fate is reported, for people or with `--json`; anything that went wrong makes the
//! exit code non-zero; progress and errors go to standard error, results to standard output; a closed pipe ends it
//! quietly.
//!
//! Exit codes: 0 all is well; 1 something failed; 2 wrong usage; 130 stopped by Ctrl-C; 141 the reader of standard
//! output went away.

mod args;
mod batch;
mod carry;
mod check;
mod connect;
mod dates;
mod event;
mod export;
mod gather;
mod get;
mod group;
mod identity;
mod import;
mod link;
mod list;
mod mirror;
mod operation;
mod output;
mod paths;
mod problem;
mod search;
mod serve;
mod share;
mod shell;
mod snapshot;
mod status;
mod trash;
mod tree;
mod upload;
mod verify;

use std::{io, process::ExitCode};

use clap::Parser;

use crate::{
    args::{Args, Command, Common},
    output::Output,
};

/// What a shell shows for a program ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// What a shell shows for a program ended by SIGPIPE.
const CLOSED_PIPE: u8 = 141;

/// Whether everything that a command was asked for is done and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AllWell,
    /// The command has said what is not.
    SomethingWrong,
    /// Stopped by the user; nothing is left half done that the next run would not complete.
    Interrupted,
}

fn main() -> ExitCode {
    let args = Args::parse();
    stay_silent_about_guarded_panics();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("keepsake: this machine does not start the threads needed: {e}");
            return ExitCode::FAILURE;
        }
    };
    let json = args.common.json;
    // Others note what is done, or find it done.
    let begins_anew = matches!(
        args.command,
        Command::Check(_) | Command::Verify(_) | Command::Get(_)
    );
    let result = runtime.block_on(run(args));
    // Work of a cancelled run may still be on blocking threads; nothing of it is waited for.
    runtime.shutdown_background();
    match result {
        Ok(Outcome::AllWell) => ExitCode::SUCCESS,
        Ok(Outcome::SomethingWrong) => ExitCode::FAILURE,
        Ok(Outcome::Interrupted) => {
            eprintln!(
                "keepsake: interrupted; the same command {}",
                if begins_anew {
                    "begins anew"
                } else {
                    "goes on from here"
                }
            );
            ExitCode::from(INTERRUPTED)
        }
        Err(error) if is_closed_pipe(&error) => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            let text = problem::explain(&error);
            eprintln!("keepsake: {text}");
            if json {
                let mut output = Output::new(true);
                // Standard output may be what failed.
                let _ = output.json(&serde_json::json!({ "error": text }));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<Outcome> {
    let common = args.common;
    let mut output = Output::new(common.json);
    // A vault that is served ends in its own way, and so does one that is being saved or loaded.
    let own_end = matches!(args.command, Command::Serve(_) | Command::Snapshot(_));
    tokio::select! {
        result = dispatch(args.command, &common, &mut output) => result,
        // Dropping a command's work removes its temporary files.
        Ok(()) = tokio::signal::ctrl_c(), if !own_end => Ok(Outcome::Interrupted),
    }
}

async fn dispatch(
    command: Command,
    common: &Common,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    match command {
        Command::Serve(serve) => serve::run(serve, common, output).await,
        Command::Upload(upload) => upload::run(upload, common, output).await,
        Command::List(list) => list::run(list, common, output).await,
        Command::Get(get) => get::run(get, common, output).await,
        Command::Tree(tree) => tree::run(tree, common, output).await,
        Command::Search(search) => search::run(search, common, output).await,
        Command::Share(share) => share::share(share, common, output).await,
        Command::Unshare(unshare) => share::unshare(unshare, common, output).await,
        Command::Shared(shared) => share::shared(shared, common, output).await,
        Command::Group(group) => group::run(group, common, output).await,
        Command::Event(event) => event::run(event, common, output).await,
        Command::Rm(remove) => trash::remove(remove, common, output).await,
        Command::Restore(restore) => trash::restore(restore, common, output).await,
        Command::Trash(trash) => trash::run(trash, common, output).await,
        Command::Status => status::run(common, output).await,
        Command::Link(link) => link::run(link, common, output).await,
        Command::Completions(completions) => shell::completions(&completions, output),
        Command::Man(man) => shell::man(&man, output),
        Command::Verify(verify) => verify::run(verify, common, output).await,
        Command::Export(export) => export::run(export, common, output).await,
        Command::Import(import) => import::run(import, common, output).await,
        Command::Mirror(mirror) => mirror::run(mirror, common, output).await,
        Command::Check(check) => check::run(check, output).await,
        Command::Identity => identity::run(common, output),
        Command::Snapshot(snapshot) => snapshot::run(snapshot, common, output).await,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A decoder's panic over a hostile photo is caught and reported as that photo's failure; the usual message about
/// panics would only frighten.
fn stay_silent_about_guarded_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !keepsake_client::derivatives::is_guarded() {
            usual(info);
        }
    }));
}
