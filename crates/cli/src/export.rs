//! `keepsake export`: memories into a folder that people can read without this program.

use std::path::PathBuf;

use anyhow::Result;
use keepsake_client::archive::export::{ExportOptions, export};

use crate::{
    Outcome,
    args::Common,
    carry::{JOBS, Telling, laid_open},
    connect,
    output::Output,
};

#[derive(Debug, clap::Args)]
pub struct Export {
    /// Folder to write; made if it is not there, brought up to date if an export made it
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Only this capsule; may be given several times [default: every one that you own, control or are the subject of]
    #[arg(long, value_name = "ID")]
    pub capsule: Vec<String>,
    /// Take from the folder what is no more in the vault
    #[arg(long)]
    pub delete: bool,
    /// Memories on their way side by side
    #[arg(long, value_name = "NUMBER", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

pub async fn run(args: Export, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let options = ExportOptions {
        capsules: args.capsule,
        delete: args.delete,
        jobs: usize::from(args.jobs),
    };
    let telling = Telling::new(output);
    let summary = export(&vault, &args.dir, &options, &telling)
        .await
        .map_err(laid_open)?;
    let more = serde_json::json!({
        "capsules": summary.capsules,
        "memories_in_archive": summary.memories,
        "files_in_archive": summary.files,
        "bytes_in_archive": summary.bytes,
    });
    Ok(telling.finish(more)?)
}
