//! `keepsake mirror`: one vault into another, over the network, with no folder between.

use std::path::PathBuf;

use anyhow::Result;
use candid::Principal;
use keepsake_client::{
    Vault,
    archive::arrive::{ArriveOptions, mirror},
    identity,
};

use crate::{
    Outcome,
    args::Common,
    carry::{JOBS, Telling, laid_open, laid_open_of},
    connect,
    output::Output,
};

#[derive(Debug, clap::Args)]
pub struct Mirror {
    /// URL of the vault to read
    #[arg(value_name = "FROM")]
    pub from: String,
    /// URL of the vault to bring up to date
    #[arg(value_name = "TO")]
    pub to: String,
    /// Canister id of the vault to bring up to date [default: that of --canister-id, which the vault to read has]
    #[arg(long, value_name = "ID")]
    pub to_canister_id: Option<Principal>,
    /// Private key to write with [default: the one to read with]
    #[arg(long, value_name = "PEM")]
    pub to_identity: Option<PathBuf>,
    /// Only this capsule; may be given several times [default: every one that you own, control or are the subject of]
    #[arg(long, value_name = "ID")]
    pub capsule: Vec<String>,
    /// Put in the trash there what is not (any more) in the vault that is read, whoever put it there
    #[arg(long)]
    pub delete: bool,
    /// Say what would be done with each memory, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Memories on their way side by side
    #[arg(long, value_name = "NUMBER", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

pub async fn run(args: Mirror, common: &Common, output: &mut Output) -> Result<Outcome> {
    let (reader, _, _) = connect::key(common)?;
    let writer = match &args.to_identity {
        Some(path) => identity::load(path)?,
        None => reader.clone(),
    };
    let from = Vault::connect(&args.from, common.canister_id, reader)
        .await
        .map_err(|e| laid_open_of("the vault to read", &e))?;
    let to_canister = args.to_canister_id.or(common.canister_id);
    let to = Vault::connect(&args.to, to_canister, writer)
        .await
        .map_err(|e| laid_open_of("the vault to bring up to date", &e))?;
    let options = ArriveOptions {
        capsules: args.capsule,
        update: true,
        delete: args.delete,
        dry_run: args.dry_run,
        jobs: usize::from(args.jobs),
    };
    let telling = Telling::new(output);
    mirror(&from, &to, &options, &telling)
        .await
        .map_err(laid_open)?;
    Ok(telling.finish(serde_json::json!({ "dry_run": args.dry_run }))?)
}
