//! One thing done to several memories: each is told, and one that fails does not keep the others from it.

use std::future::Future;

use anyhow::Result;
use futures::{StreamExt, stream};
use keepsake_client::ClientError;
use serde::Serialize;

use crate::{
    Outcome,
    output::{self, Output},
    problem,
};

/// Calls on their way side by side.
const WINDOW: usize = 8;

#[derive(Serialize)]
struct Done<'a> {
    memory_id: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Does `act` to each of `memories` and reports in their order. `Ok` of `act` is the status to report: one word, or a few
/// with underscores.
///
/// # Errors
/// Where the vault stops answering: what was not tried would fail the same way.
pub async fn each<F, A>(memories: &[String], output: &mut Output, act: F) -> Result<Outcome>
where
    F: Fn(String) -> A,
    A: Future<Output = Result<&'static str, ClientError>>,
{
    let mut results = stream::iter(memories)
        .map(|id| {
            let acting = act(id.clone());
            async move { (id, acting.await) }
        })
        .buffered(WINDOW);
    let mut documents = Vec::new();
    let mut all_well = true;
    while let Some((id, result)) = results.next().await {
        let (status, error) = match result {
            Ok(status) => (status, None),
            Err(e) if e.is_transient() => return Err(e.into()),
            Err(e) => ("failed", Some(problem::explain_client(&e))),
        };
        all_well &= error.is_none();
        let done = Done {
            memory_id: id,
            status,
            error: error.as_deref(),
        };
        if output.is_json() {
            documents.push(serde_json::to_value(&done)?);
        } else {
            let reason = done.error.map_or(String::new(), |e| format!(": {e}"));
            let id = output::printable(id);
            let reason = output::printable(&reason);
            output.line(&format!("{:<10}  {id}{reason}", status.replace('_', " ")))?;
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "memories": documents }))?;
    }
    Ok(if all_well {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}
