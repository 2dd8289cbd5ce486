//! The official Rust agent, all its verification on.

use super::sockets::Running;
use super::support::canister_id;
use crate::http::Options;
use candid::Principal;
use ic_agent::identity::{
    AnonymousIdentity, BasicIdentity, DelegatedIdentity, Delegation, Prime256v1Identity, Secp256k1Identity,
    SignedDelegation,
};
use ic_agent::{Agent, AgentError, Identity};
use std::sync::Arc;

fn identities() -> Vec<Arc<dyn Identity>> {
    let ed25519 = |seed| BasicIdentity::from_raw_key(&[seed; 32]);
    let secp256k1 = Secp256k1Identity::from_private_key(k256::SecretKey::from_slice(&[5; 32]).unwrap());
    let p256 = Prime256v1Identity::from_private_key(p256::SecretKey::from_slice(&[5; 32]).unwrap());
    let owner = ed25519(5);
    let session = ed25519(6);
    let delegation = Delegation {
        pubkey: session.public_key().unwrap(),
        expiration: crate::certificate::now() + super::support::MINUTE,
        targets: Some(vec![canister_id()]),
        permissions: None,
    };
    let signature = owner.sign_delegation(&delegation).unwrap().signature.unwrap();
    let chain = vec![SignedDelegation { delegation, signature }];
    let delegated = DelegatedIdentity::new(owner.public_key().unwrap(), Box::new(session), chain).unwrap();
    vec![
        Arc::new(AnonymousIdentity),
        Arc::new(ed25519(5)),
        Arc::new(secp256k1),
        Arc::new(p256),
        Arc::new(delegated),
    ]
}

#[tokio::test]
async fn every_kind_of_identity_calls_queries_and_reads() {
    let server = Running::start(Options::default()).await;
    for identity in identities() {
        let agent = Agent::builder()
            .with_url(format!("http://{}", server.address))
            .with_arc_identity(identity)
            .build()
            .unwrap();
        agent.fetch_root_key().await.unwrap();
        let canister = canister_id();
        let reply = agent.update(&canister, "echo").with_arg(b"update".to_vec()).call_and_wait().await.unwrap();
        assert_eq!(reply, b"update");
        let reply = agent.query(&canister, "echo").with_arg(b"query".to_vec()).call().await.unwrap();
        assert_eq!(reply, b"query");
        let metadata = agent.read_state_canister_metadata(canister, "candid:service").await.unwrap();
        assert_eq!(metadata, b"candid:service");
        assert_eq!(agent.read_state_canister_module_hash(canister).await.unwrap(), [3; 32]);
        assert_eq!(agent.read_state_canister_controllers(canister).await.unwrap().len(), 1);
        let refused = agent.update(&canister, "refuse").call_and_wait().await.unwrap_err();
        assert!(matches!(refused, AgentError::UncertifiedReject { .. }), "{refused:?}");
        let trapped = agent.update(&canister, "trap").call_and_wait().await.unwrap_err();
        assert!(matches!(trapped, AgentError::CertifiedReject { .. }), "{trapped:?}");
        let absent = agent.query(&canister, "absent").call().await.unwrap_err();
        assert!(matches!(absent, AgentError::UncertifiedReject { .. }), "{absent:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_subnet_is_described() {
    let server = Running::start(Options::default()).await;
    let agent = Agent::builder().with_url(format!("http://{}", server.address)).build().unwrap();
    agent.fetch_root_key().await.unwrap();
    let subnet = agent.get_subnet_by_canister(&canister_id()).await.unwrap();
    assert!(subnet.contains_canister(&canister_id()));
    assert_eq!(subnet.id(), Principal::self_authenticating(agent.read_root_key()));
    assert_eq!(agent.fetch_subnet_by_id(&subnet.id()).await.unwrap().iter_nodes().count(), 1);
}
