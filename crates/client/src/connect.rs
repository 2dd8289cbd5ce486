//! The agent under a vault: which server, which root key, which canister.

use std::{sync::Arc, time::Duration};

use candid::Principal;
use ic_agent::{
    Agent, Identity,
    agent::route_provider::RoundRobinRouteProvider,
    export::reqwest::{Client, Url},
};

use crate::ClientError;

/// Canister id of a vault on this machine, unless it was started with another.
pub const DEFAULT_CANISTER_ID: &str = "uxrrr-q7777-77774-qaaaq-cai";

/// Domains under which the Internet Computer itself is reached. Its root key is built into the agent and must never
/// be fetched, or anybody in between could pose as the vault.
const MAINNET_DOMAINS: [&str; 4] = ["ic0.app", "icp0.io", "icp-api.io", "internetcomputer.org"];

/// How long the connection itself may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one request may take, with its body both ways: a chunk over a slow line included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(360);

/// An agent for the vault at `url` that verifies certificates and query signatures, and the vault's canister id.
pub(crate) async fn agent(
    url: &str,
    canister_id: Option<Principal>,
    identity: Arc<dyn Identity>,
) -> Result<(Agent, Principal), ClientError> {
    let invalid = || ClientError::InvalidUrl {
        url: url.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|_| invalid())?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(invalid());
    }
    let mainnet = is_mainnet(&parsed);
    let canister_id = match canister_id {
        Some(id) => id,
        None if mainnet => {
            return Err(ClientError::CanisterIdNeeded {
                url: url.to_owned(),
            });
        }
        None => default_canister_id(),
    };
    let mut client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    if is_this_machine(&parsed) {
        // A proxy of the environment cannot reach this machine's loopback address, and must not see it.
        client = client.no_proxy();
    }
    let client = client.build().map_err(|e| ClientError::Setup {
        reason: e.to_string(),
    })?;
    let routes = RoundRobinRouteProvider::new(vec![url]).map_err(|_| invalid())?;
    let failed = |e| ClientError::from_agent(url, canister_id, "status", e);
    let agent = Agent::builder()
        .with_http_client(client)
        .with_route_provider(routes)
        .with_arc_identity(identity)
        .build()
        .map_err(failed)?;
    if !mainnet {
        agent.fetch_root_key().await.map_err(failed)?;
    }
    Ok((agent, canister_id))
}

/// [`DEFAULT_CANISTER_ID`] as a principal.
fn default_canister_id() -> Principal {
    // The bytes of the text; a test compares them.
    Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x90, 0x00, 0x01, 0x01, 0x01])
}

fn is_mainnet(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        MAINNET_DOMAINS
            .iter()
            .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
    })
}

fn is_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost"
            || host.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (url, here) in [
            ("http://127.0.0.1:4943", true),
            ("http://[::1]:4943", true),
            ("http://localhost:4943", true),
            ("http://uxrrr-q7777-77774-qaaaq-cai.localhost", true),
            ("http://192.168.1.5:4943", false),
            ("https://localhost.example.org", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), here, "{url}");
        }
    }

    #[test]
    fn the_default_canister_id_is_what_its_text_says() {
        assert_eq!(
            default_canister_id(),
            Principal::from_text(DEFAULT_CANISTER_ID).unwrap()
        );
    }

    #[test]
    fn the_root_key_is_never_fetched_from_the_internet_computer() {
        for (url, mainnet) in [
            ("https://icp-api.io", true),
            ("https://icp0.io/", true),
            ("https://abc.ICP0.io", true),
            ("https://ic0.app.", true),
            ("http://127.0.0.1:4943", false),
            ("http://localhost:4943", false),
            ("https://icp0.io.example.org", false),
            ("https://notic0.app", false),
        ] {
            assert_eq!(is_mainnet(&Url::parse(url).unwrap()), mainnet, "{url}");
        }
    }

    #[tokio::test]
    async fn bad_urls_and_nobody_there_are_told_apart() {
        let identity: Arc<dyn Identity> = Arc::new(ic_agent::identity::AnonymousIdentity);
        for url in ["", "localhost:4943", "ftp://localhost", "http://"] {
            let error = agent(url, None, identity.clone()).await.err();
            assert!(
                matches!(error, Some(ClientError::InvalidUrl { .. })),
                "{url}: {error:?}"
            );
        }
        let error = agent("https://icp-api.io", None, identity.clone())
            .await
            .err();
        assert!(
            matches!(error, Some(ClientError::CanisterIdNeeded { .. })),
            "{error:?}"
        );
        // Port 1 is reserved and nothing listens there.
        let error = agent("http://127.0.0.1:1", None, identity).await.err();
        assert!(
            matches!(error, Some(ClientError::Unreachable { .. })),
            "{error:?}"
        );
    }
}
