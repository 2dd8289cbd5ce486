//! `keepsake identity`: who the caller is to a vault. Needs no vault.

use anyhow::{Result, anyhow};

use crate::{Outcome, args::Common, connect, output::Output};

pub fn run(common: &Common, output: &mut Output) -> Result<Outcome> {
    let (identity, path, created) = connect::key(common)?;
    let principal = identity
        .sender()
        .map_err(|e| anyhow!("the key in {} cannot be used: {e}", path.display()))?;
    if output.is_json() {
        output.json(&serde_json::json!({
            "principal": principal.to_text(),
            "path": path.to_string_lossy(),
            "created": created,
        }))?;
    } else {
        output.line(&format!("principal  {principal}"))?;
        output.line(&format!("key        {}", path.display()))?;
    }
    Ok(Outcome::AllWell)
}
