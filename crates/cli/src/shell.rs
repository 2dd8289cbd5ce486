//! `keepsake completions` and `keepsake man`: what a shell and `man` want to know, made from the command line's definition.

use std::{fs, io::Write, path::PathBuf};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Outcome, args::Args, output::Output};

#[derive(Debug, clap::Args)]
pub struct Completions {
    /// Shell to write them for; put them where it looks, such as ~/.local/share/bash-completion/completions/keepsake
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, clap::Args)]
pub struct Man {
    /// Folder to write the pages to, such as ~/.local/share/man/man1; made if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

pub fn completions(completions: &Completions, output: &mut Output) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Args::command(),
        "keepsake",
        &mut script,
    );
    let script = String::from_utf8(script).context("the script is no text")?;
    if output.is_json() {
        output.json(&serde_json::json!({
            "shell": completions.shell.to_string(), "script": script,
        }))?;
    } else {
        let mut out = std::io::stdout().lock();
        out.write_all(script.as_bytes())?;
        out.flush()?;
    }
    Ok(Outcome::AllWell)
}

pub fn man(man: &Man, output: &mut Output) -> Result<Outcome> {
    let unwritable = || format!("{} cannot be written", man.dir.display());
    fs::create_dir_all(&man.dir).with_context(unwritable)?;
    clap_mangen::generate_to(Args::command(), &man.dir).with_context(unwritable)?;
    if output.is_json() {
        output.json(&serde_json::json!({ "folder": man.dir.to_string_lossy() }))?;
    } else {
        output.line(&format!("man pages    {}", man.dir.display()))?;
    }
    Ok(Outcome::AllWell)
}
