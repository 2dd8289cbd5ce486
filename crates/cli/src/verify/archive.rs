//! `keepsake verify --archive`: what an export wrote, against its manifest, with no vault at all.

use std::path::Path;

use anyhow::Result;
use keepsake_client::archive::check::check;

use crate::{
    Outcome,
    carry::{Telling, laid_open},
    output::Output,
};

pub async fn run(dir: &Path, output: &mut Output) -> Result<Outcome> {
    let telling = Telling::new(output);
    check(dir, &telling).await.map_err(laid_open)?;
    Ok(telling.finish(serde_json::json!({}))?)
}
