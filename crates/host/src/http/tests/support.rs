//! A canister in memory, and a client that writes envelopes by hand, so that it can also write wrong ones.

use crate::certificate::testing::verified;
use crate::certificate::{Certification, now};
use crate::crypto::node_key::NodeKey;
use crate::crypto::representation::Hashable;
use crate::crypto::root_key::RootKey;
use crate::crypto::{domain, sha256};
use crate::http::backend::{Backend, BoxFuture, Refused};
use crate::http::{Interface, Options, router};
use crate::message::{
    CanisterState, Ingress, MetadataSection, Reject, RejectCode, RequestId, RequestInfo,
    RequestStatus, StateTree, TreeChanges,
};
use crate::metrics::{Exposition, Kind};
use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use candid::Principal;
use ciborium::Value;
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::{Signer, SigningKey};
use ic_certification::HashTree;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;

pub const MINUTE: u64 = 60_000_000_000;

pub fn canister_id() -> Principal {
    Principal::from_text("uxrrr-q7777-77774-qaaaq-cai").unwrap()
}

/// Answers by the method's name; see [`Backend::submit`] and [`Backend::query`] below.
pub struct Memory {
    pub certification: Arc<Certification>,
    requests: Mutex<HashMap<RequestId, RequestInfo>>,
    pub executions: AtomicUsize,
    pub is_ready: AtomicBool,
    pub controller: Principal,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        let keys = (
            RootKey::from_secret(&[1; 32]).unwrap(),
            NodeKey::from_secret(&[2; 32]).unwrap(),
        );
        let memory = Arc::new(Self {
            certification: Arc::new(Certification::new(keys.0, keys.1, canister_id())),
            requests: Mutex::default(),
            executions: AtomicUsize::new(0),
            is_ready: AtomicBool::new(true),
            controller: Key::new(9).principal(),
        });
        let canister = Some(memory.state());
        memory.certification.apply(&TreeChanges {
            time: now(),
            canister,
            ..TreeChanges::default()
        });
        memory
    }

    pub fn router(self: &Arc<Self>) -> Router {
        self.router_with(Options::default())
    }

    pub fn router_with(self: &Arc<Self>, options: Options) -> Router {
        router(Interface::new(
            self.clone(),
            self.certification.clone(),
            options,
        ))
    }

    pub fn root_key(&self) -> Vec<u8> {
        self.certification.root_key().der().to_vec()
    }

    fn record(&self, ingress: &Ingress, status: RequestStatus) -> RequestStatus {
        let request = RequestInfo {
            status: status.clone(),
            sender: ingress.sender,
            canister_id: ingress.canister_id,
        };
        self.requests
            .lock()
            .unwrap()
            .insert(ingress.request_id, request);
        self.certification.apply(&TreeChanges {
            time: now(),
            requests: vec![(ingress.request_id, status.clone())],
            ..TreeChanges::default()
        });
        status
    }
}

pub fn reject(message: &str, error_code: &str) -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: message.into(),
        error_code: Some(error_code.into()),
    }
}

impl Backend for Memory {
    fn submit(&self, ingress: Ingress) -> BoxFuture<'_, Result<RequestStatus, Refused>> {
        Box::pin(async move {
            if let Some(request) = self.request(&ingress.request_id) {
                return Ok(request.status);
            }
            match ingress.method.as_str() {
                "refuse" => return Err(Refused::Rejected(reject("not for you", "IC0406"))),
                "busy" => return Err(Refused::Busy),
                "full" => return Err(Refused::Unavailable("the disk is full".into())),
                "slow" => {
                    self.record(&ingress, RequestStatus::Processing);
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                }
                _ => {}
            }
            self.executions.fetch_add(1, Ordering::SeqCst);
            let status = match ingress.method.as_str() {
                "trap" => RequestStatus::Rejected(reject("it trapped", "IC0503")),
                "panic" => panic!("a defect"),
                _ => RequestStatus::Replied(ingress.arg.clone()),
            };
            Ok(self.record(&ingress, status))
        })
    }

    fn query(
        &self,
        _: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>> {
        Box::pin(async move {
            match method.as_str() {
                "echo" => Ok(arg),
                "panic" => panic!("a defect"),
                "certificate" => Ok(self.certification.data_certificate().unwrap()),
                "http_request" => super::pages::http_request(
                    &arg,
                    &self.certification.data_certificate().unwrap(),
                ),
                _ => Err(reject("no such method", "IC0536")),
            }
        })
    }

    fn query_management(
        &self,
        _: Principal,
        method: String,
        _: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>> {
        Box::pin(async move { Err(reject(&method, "IC0536")) })
    }

    fn request(&self, id: &RequestId) -> Option<RequestInfo> {
        self.requests.lock().unwrap().get(id).cloned()
    }

    fn state(&self) -> CanisterState {
        let section = |name: &str, public| MetadataSection {
            name: name.into(),
            public,
            content: name.into(),
        };
        CanisterState {
            module_hash: Some([3; 32]),
            controllers: vec![self.controller],
            certified_data: super::pages::tree().root_hash().to_vec(),
            metadata: vec![section("candid:service", true), section("secret", false)],
        }
    }

    fn canister_id(&self) -> Principal {
        canister_id()
    }

    fn time(&self) -> u64 {
        now()
    }

    fn readiness(&self) -> Result<(), String> {
        if self.is_ready.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err("The disk is full.".into())
        }
    }

    fn describe(&self, to: &mut Exposition) {
        to.single("backend", Kind::Gauge, "Figures of the backend.", 1);
    }
}

/// An Ed25519 key of a client.
#[derive(Clone)]
pub struct Key(pub SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn der(&self) -> Vec<u8> {
        self.0
            .verifying_key()
            .to_public_key_der()
            .unwrap()
            .into_vec()
    }

    pub fn principal(&self) -> Principal {
        Principal::self_authenticating(self.der())
    }

    pub fn sign(&self, domain: &[u8], hash: &[u8; 32]) -> Vec<u8> {
        self.0.sign(&[domain, hash].concat()).to_bytes().to_vec()
    }
}

/// An envelope in the making. Fields are CBOR values, so that they can be made wrong.
#[derive(Clone)]
pub struct Draft {
    pub content: Vec<(String, Value)>,
    pub outside: Vec<(String, Value)>,
}

pub fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

fn record(fields: &[(String, Value)]) -> Value {
    Value::Map(
        fields
            .iter()
            .map(|(key, value)| (Value::Text(key.clone()), value.clone()))
            .collect(),
    )
}

impl Draft {
    fn new(request_type: &str, sender: Principal) -> Self {
        let content = vec![
            ("request_type".into(), request_type.into()),
            ("sender".into(), bytes(sender.as_slice())),
            ("ingress_expiry".into(), (now() + 4 * MINUTE).into()),
        ];
        Self {
            content,
            outside: Vec::new(),
        }
    }

    pub fn call(request_type: &str, sender: Principal, method: &str, arg: &[u8]) -> Self {
        let mut draft = Self::new(request_type, sender);
        draft
            .content
            .push(("canister_id".into(), bytes(canister_id().as_slice())));
        draft.content.push(("method_name".into(), method.into()));
        draft.content.push(("arg".into(), bytes(arg)));
        draft
            .content
            .push(("nonce".into(), bytes(rand::random::<[u8; 16]>())));
        draft
    }

    pub fn read(sender: Principal, paths: &[&[&[u8]]]) -> Self {
        let mut draft = Self::new("read_state", sender);
        let path = |labels: &&[&[u8]]| Value::Array(labels.iter().map(bytes).collect());
        draft.content.push((
            "paths".into(),
            Value::Array(paths.iter().map(path).collect()),
        ));
        draft
    }

    pub fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.content.retain(|(name, _)| name != field);
        self.content.push((field.into(), value.into()));
        self
    }

    pub fn outside(mut self, field: &str, value: Value) -> Self {
        self.outside.retain(|(name, _)| name != field);
        self.outside.push((field.into(), value));
        self
    }

    pub fn id(&self) -> RequestId {
        Hashable::try_from(&record(&self.content)).unwrap().hash()
    }

    /// Signed by `key`, on behalf of the key `pubkey`.
    pub fn signed_for(self, pubkey: &[u8], key: &Key) -> Self {
        let signature = key.sign(domain::REQUEST, &self.id());
        self.outside("sender_pubkey", bytes(pubkey))
            .outside("sender_sig", bytes(signature))
    }

    pub fn signed(self, key: &Key) -> Self {
        self.signed_for(&key.der(), key)
    }

    pub fn delegated(self, links: Vec<Value>) -> Self {
        self.outside("sender_delegation", Value::Array(links))
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut fields = self.outside.clone();
        fields.push(("content".into(), record(&self.content)));
        encode(&Value::Tag(55799, Box::new(record(&fields))))
    }
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// A delegation from one key to another.
pub struct Link {
    pub expiration: u64,
    pub targets: Option<Vec<Principal>>,
    pub permissions: Option<&'static str>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            expiration: now() + 10 * MINUTE,
            targets: None,
            permissions: None,
        }
    }
}

impl Link {
    pub fn sign(&self, from: &Key, to: &[u8]) -> Value {
        let mut fields = vec![
            ("pubkey".to_string(), bytes(to)),
            ("expiration".to_string(), self.expiration.into()),
        ];
        if let Some(targets) = &self.targets {
            let targets = targets.iter().map(|id| bytes(id.as_slice())).collect();
            fields.push(("targets".into(), Value::Array(targets)));
        }
        if let Some(permissions) = self.permissions {
            fields.push(("permissions".into(), permissions.into()));
        }
        let delegation = record(&fields);
        let hash = Hashable::try_from(&delegation).unwrap().hash();
        let signature = bytes(from.sign(domain::DELEGATION, &hash));
        record(&[
            ("delegation".into(), delegation),
            ("signature".into(), signature),
        ])
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A field of the CBOR record in the body.
    pub fn field(&self, name: &str) -> Option<Value> {
        assert_eq!(
            self.status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let value: Value =
            ciborium::from_reader(self.body.strip_prefix(&[0xd9, 0xd9, 0xf7]).unwrap()).unwrap();
        value
            .into_map()
            .unwrap()
            .into_iter()
            .find(|(key, _)| key.as_text() == Some(name))
            .map(|(_, value)| value)
    }

    /// The verified tree of the certificate in the body.
    pub fn tree(&self, memory: &Memory) -> HashTree {
        verified(
            &self.field("certificate").unwrap().into_bytes().unwrap(),
            &memory.root_key(),
        )
    }
}

pub async fn send(router: &Router, request: axum::http::Request<Body>) -> Reply {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap()
        .to_vec();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

pub async fn post(router: &Router, path: &str, body: impl Into<Body>) -> Reply {
    let request = axum::http::Request::post(path).header(header::CONTENT_TYPE, "application/cbor");
    send(router, request.body(body.into()).unwrap()).await
}

/// The path of an endpoint of the canister.
pub fn endpoint(version: u8, name: &str) -> String {
    format!("/api/v{version}/canister/{}/{name}", canister_id())
}

/// What proves that a reply was not made for another query.
pub fn response_hash(fields: &[(&str, Hashable<'_>)]) -> [u8; 32] {
    let mut pairs: Vec<[u8; 64]> = fields
        .iter()
        .map(|(name, value)| {
            [sha256(&[name.as_bytes()]), value.hash()]
                .concat()
                .try_into()
                .unwrap()
        })
        .collect();
    pairs.sort();
    sha256(&[&pairs.concat()])
}
