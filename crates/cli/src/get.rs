//! `keepsake get`: one file of a memory, verified before it takes its name.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use keepsake_client::{
    ClientError, Vault,
    download::{AssetRef, find_asset, type_name},
    read_asset,
};
use tokio::io::AsyncWriteExt;

use crate::{
    Outcome,
    args::{Common, Get},
    connect,
    output::{self, Output},
};

pub async fn run(get: Get, common: &Common, output: &mut Output) -> Result<Outcome> {
    let to_stdout = get.output.as_os_str() == "-";
    if to_stdout && output.is_json() {
        bail!("--json and the file cannot both go to standard output; name a file with -o");
    }
    if !to_stdout && get.output.is_dir() {
        bail!(
            "{} is a folder; name the file to write with -o",
            get.output.display()
        );
    }
    let vault = connect::vault(common).await?;
    let memory = vault.memories_read(&get.memory).await?;
    let asset = find_asset(&memory, &get.asset)?;
    if to_stdout {
        // The bytes are on their way before the hash is known; a mismatch still ends with an error.
        read_asset(&vault, &asset, async |part| {
            io::stdout().lock().write_all(&part)
        })
        .await
        .map_err(unwrap_output)?;
        io::stdout().lock().flush()?;
        return Ok(Outcome::AllWell);
    }
    let len = write_file(&vault, &asset, &get.output).await?;
    if output.is_json() {
        output.json(&serde_json::json!({
            "memory_id": memory.id,
            "asset_id": asset.id,
            "asset_type": type_name(asset.asset_type),
            "mime": asset.mime,
            "bytes": len,
            "sha256": asset.sha256.map(hex::encode),
            "path": get.output.to_string_lossy(),
        }))?;
    } else {
        output.line(&format!(
            "{}  {}, SHA-256 verified",
            get.output.display(),
            output::bytes(len)
        ))?;
    }
    Ok(Outcome::AllWell)
}

/// Writes beside the target and renames when everything is there and verified, so that the name never stands for
/// half a file or a wrong one.
async fn write_file(vault: &Vault, asset: &AssetRef, target: &Path) -> Result<u64> {
    let partial = Partial::create(target)?;
    let mut file = tokio::fs::File::from_std(partial.file.try_clone()?);
    let len = read_asset(vault, asset, async |part| file.write_all(&part).await)
        .await
        .map_err(unwrap_output)
        .with_context(|| format!("{} was not written", target.display()))?;
    file.flush()
        .await
        .with_context(|| format!("{} cannot be written", target.display()))?;
    tokio::task::spawn_blocking(move || partial.complete())
        .await
        .context("the operation was stopped")?
        .with_context(|| format!("{} cannot be written", target.display()))?;
    Ok(len)
}

/// Errors of our own writing lose the wrapping, so that a closed pipe is recognised as one.
fn unwrap_output(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Output(e) => e.into(),
        other => other.into(),
    }
}

/// A file under a temporary name, removed unless it is completed.
struct Partial {
    file: fs::File,
    temporary: PathBuf,
    target: PathBuf,
    complete: bool,
}

impl Partial {
    fn create(target: &Path) -> Result<Self> {
        let Some(name) = target.file_name() else {
            bail!("{} is no name for a file", target.display());
        };
        let mut temporary_name = std::ffi::OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".{:08x}.partial", rand::random::<u32>()));
        let temporary = target.with_file_name(temporary_name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .with_context(|| format!("{} cannot be written", target.display()))?;
        Ok(Partial {
            file,
            temporary,
            target: target.to_owned(),
            complete: false,
        })
    }

    fn complete(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.complete {
            // Nothing better can be done where even this fails.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_its_name_only_when_complete() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("photo.jpg");
        fs::write(&target, "before").unwrap();
        let mut partial = Partial::create(&target).unwrap();
        partial.file.write_all(b"half").unwrap();
        drop(partial);
        assert_eq!(fs::read(&target).unwrap(), b"before");
        let mut partial = Partial::create(&target).unwrap();
        partial.file.write_all(b"whole").unwrap();
        partial.complete().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(Partial::create(Path::new("/")).is_err());
    }
}
