//! What the tests that cross crates share: where the artefacts are, a vault served in this process or by the
//! `keepsake` command, pictures with known pixels, and audits of a vault from outside and from its bytes.
//!
//! Test code: a helper that cannot do its work panics and says why.

pub mod artefacts;
pub mod audit;
pub mod command;
pub mod content;
pub mod gateway;
pub mod home;
pub mod pictures;
pub mod state;

use std::sync::Arc;

use ic_agent::{Agent, Identity, identity::BasicIdentity};
use keepsake_client::Vault;

/// The key of test person `n`.
pub fn person(n: u8) -> Arc<dyn Identity> {
    Arc::new(BasicIdentity::from_raw_key(&[n; 32]))
}

/// The vault at `url`, as test person `n`, with everything that comes back verified.
pub async fn connect(url: &str, n: u8) -> Vault {
    connect_as(url, person(n)).await
}

/// The vault at `url`, as `identity`.
pub async fn connect_as(url: &str, identity: Arc<dyn Identity>) -> Vault {
    Vault::connect(url, None, identity)
        .await
        .unwrap_or_else(|error| panic!("no vault at {url}: {error}"))
}

/// The official agent itself, for calls that the client would not make.
pub async fn agent(url: &str, identity: Arc<dyn Identity>) -> Agent {
    let agent = Agent::builder()
        .with_url(url)
        .with_arc_identity(identity)
        .build()
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    if let Err(error) = agent.fetch_root_key().await {
        panic!("no vault at {url}: {error}");
    }
    agent
}
