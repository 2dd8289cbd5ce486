//! `keepsake import`: what `keepsake export` wrote, into a vault.

use std::path::PathBuf;

use anyhow::Result;
use keepsake_client::archive::arrive::{ArriveOptions, import};

use crate::{
    Outcome,
    args::Common,
    carry::{JOBS, Telling, laid_open},
    connect,
    output::Output,
};

#[derive(Debug, clap::Args)]
pub struct Import {
    /// Folder that an export wrote
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Capsule to put everything into, for an archive of one capsule [default: your own for what was its owner's own, else one about the same
    /// person, made at first need]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
    /// Bring memories that are there and differ to what the archive says of them; they are left as they are otherwise
    #[arg(long)]
    pub update: bool,
    /// Say what would be done with each memory, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Memories on their way side by side
    #[arg(long, value_name = "NUMBER", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

pub async fn run(args: Import, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let options = ArriveOptions {
        capsules: args.capsule.into_iter().collect(),
        update: args.update,
        delete: false,
        dry_run: args.dry_run,
        jobs: usize::from(args.jobs),
    };
    let telling = Telling::new(output);
    import(&vault, &args.dir, &options, &telling)
        .await
        .map_err(laid_open)?;
    Ok(telling.finish(serde_json::json!({ "dry_run": args.dry_run }))?)
}
