//! The developer's commands, as `cargo xtask <command>`: what a contributor or CI runs, in Rust so that it behaves alike
//! everywhere. Each command is one module; the commands that run the canister in process stand behind the feature `host`
//! (see Cargo.toml), and without it they call cargo again with the feature on.

#[cfg(feature = "host")]
mod bench;
mod canister;
mod fuzz;
mod gallery;
#[cfg(feature = "host")]
mod interface;
mod serve;
mod soak;
mod step;
mod test;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, serves, tests and measures Keepsake"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the gallery and the canister with it inside: target/canister/vault.wasm and vault.wasm.gz. KEEPSAKE_GALLERY in the environment
    /// names a gallery that is built already; empty, it leaves the gallery out.
    Build,
    /// Builds the gallery and the canister, and serves a vault with it on this machine.
    Serve {
        /// Build the host unoptimised: quicker to compile, slower to run.
        #[arg(long)]
        dev: bool,
        /// Options of `keepsake serve`.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "OPTIONS"
        )]
        options: Vec<String>,
    },
    /// Builds and checks everything: interface, format, lints, tests, instruction counts, official clients.
    Test {
        /// Leave out documentation tests, instruction counts and the Node tests.
        #[arg(long)]
        fast: bool,
    },
    /// Builds everything and lets people work in a vault that is killed, stopped and upgraded meanwhile; then checks all of it.
    Soak {
        /// How long they work.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// The number that an earlier run printed, for the same work and the same events.
        #[arg(long)]
        seed: Option<u64>,
        /// Build the host unoptimised: quicker to compile, slower to run.
        #[arg(long)]
        dev: bool,
    },
    /// Counts the canister's instructions per call and writes benches/instructions.json and benches/README.md.
    Bench {
        /// Compare with the committed counts instead, and fail where one rose by more than 5 %.
        #[arg(long)]
        check: bool,
        /// Count in vaults of 1,000 to a million memories instead, measure what they take up, and write benches/large.json and
        /// benches/large.md: a quarter of an hour, 8 GB of memory and 8 GB of disk.
        #[arg(long, conflicts_with = "check")]
        large: bool,
    },
    /// Runs the fuzz targets, which needs cargo-fuzz: what the vault and the host do with whatever is sent to them.
    Fuzz {
        /// How long each is run.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only this one: arguments, records, http or pages.
        target: Option<String>,
    },
    /// Compares the canister's interface with interface/vault.did.
    Did {
        /// Write the file instead.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Build => canister::build(gallery::build()?.as_deref()).map(drop),
        Command::Serve { dev, options } => serve::run(dev, &options),
        Command::Test { fast } => test::run(fast),
        Command::Soak { minutes, seed, dev } => soak::run(minutes, seed, dev),
        Command::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
        #[cfg(feature = "host")]
        Command::Bench { large: true, .. } => bench::run_large(),
        #[cfg(feature = "host")]
        Command::Bench { check, .. } => bench::run(check),
        #[cfg(feature = "host")]
        Command::Did { write } => interface::run(write),
        #[cfg(not(feature = "host"))]
        Command::Bench { .. } | Command::Did { .. } => workspace::again_with_host(),
    }
}
