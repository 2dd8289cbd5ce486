//! A canister in memory that answers by its method's name. Its clock stands still, so that an input means the same on any day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candid::{CandidType, Encode, Principal};
use keepsake_host::certificate::Certification;
use keepsake_host::crypto::node_key::NodeKey;
use keepsake_host::crypto::root_key::RootKey;
use keepsake_host::http::{Backend, BoxFuture, Refused};
use keepsake_host::message::{
    CanisterState, Ingress, MetadataSection, Reject, RejectCode, RequestId, RequestInfo,
    RequestStatus, StateTree, TreeChanges,
};
use keepsake_host::metrics::Exposition;

/// Nanoseconds since 1970.
pub const NOW: u64 = 1_760_000_000_000_000_000;

/// The methods that answer in ways of their own; every other one replies its argument.
pub const METHODS: &[&str] = &[
    "echo",
    "trap",
    "refuse",
    "busy",
    "full",
    "http_request",
    "http_request_update",
];

/// The canister that is hosted.
pub fn canister_id() -> Principal {
    Principal::from_slice(&[255, 255, 255, 255, 255, 224, 0, 0, 1, 1])
}

/// The canister, and what has been asked of it.
pub struct Memory {
    pub certification: Arc<Certification>,
    pub controller: Principal,
    requests: Mutex<HashMap<RequestId, RequestInfo>>,
}

impl Memory {
    /// One that nothing has been asked of.
    pub fn new(controller: Principal) -> Arc<Self> {
        let root = RootKey::from_secret(&[1; 32]).expect("a secret");
        let node = NodeKey::from_secret(&[2; 32]).expect("a secret");
        let memory = Self {
            certification: Arc::new(Certification::new(root, node, canister_id())),
            controller,
            requests: Mutex::default(),
        };
        let canister = Some(memory.state());
        memory.certification.apply(&TreeChanges {
            time: NOW,
            canister,
            ..TreeChanges::default()
        });
        Arc::new(memory)
    }

    /// Forgets what has been asked.
    pub fn forget(&self) {
        let pruned: Vec<_> = self.requests().drain().map(|(id, _)| id).collect();
        if !pruned.is_empty() {
            self.certification.apply(&TreeChanges {
                time: NOW,
                pruned,
                ..TreeChanges::default()
            });
        }
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, RequestInfo>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reject(message: &str) -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: message.into(),
        error_code: Some("IC0503".into()),
    }
}

/// What the canister's pages answer.
#[derive(CandidType)]
struct Page {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    upgrade: Option<bool>,
}

impl Backend for Memory {
    fn submit(&self, ingress: Ingress) -> BoxFuture<'_, Result<RequestStatus, Refused>> {
        Box::pin(async move {
            let hosted = [canister_id(), Principal::management_canister()];
            assert!(
                hosted.contains(&ingress.canister_id),
                "a call for another canister"
            );
            if let Some(request) = self.request(&ingress.request_id) {
                return Ok(request.status);
            }
            let status = match ingress.method.as_str() {
                "refuse" => return Err(Refused::Rejected(reject("not for you"))),
                "busy" => return Err(Refused::Busy),
                "full" => return Err(Refused::Unavailable("the disk is full".into())),
                "trap" => RequestStatus::Rejected(reject("it trapped")),
                _ => RequestStatus::Replied(ingress.arg),
            };
            let request = RequestInfo {
                status: status.clone(),
                sender: ingress.sender,
                canister_id: ingress.canister_id,
            };
            self.requests().insert(ingress.request_id, request);
            let requests = vec![(ingress.request_id, status.clone())];
            self.certification.apply(&TreeChanges {
                time: NOW,
                requests,
                ..TreeChanges::default()
            });
            Ok(status)
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
                "http_request" => {
                    let headers = vec![
                        ("content-type".into(), "text/plain".into()),
                        ("x\n".into(), "\u{0}".into()),
                    ];
                    let upgrade = (arg.len() % 2 == 1).then_some(true);
                    let page = Page {
                        status_code: 200,
                        headers,
                        body: b"a page".to_vec(),
                        upgrade,
                    };
                    Encode!(&page).map_err(|error| reject(&error.to_string()))
                }
                _ => Err(reject("no such method")),
            }
        })
    }

    fn query_management(
        &self,
        _: Principal,
        method: String,
        _: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>> {
        Box::pin(async move { Err(reject(&method)) })
    }

    fn request(&self, id: &RequestId) -> Option<RequestInfo> {
        self.requests().get(id).cloned()
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
            certified_data: vec![4; 32],
            metadata: vec![section("candid:service", true), section("secret", false)],
        }
    }

    fn canister_id(&self) -> Principal {
        canister_id()
    }

    fn time(&self) -> u64 {
        NOW
    }

    fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    fn describe(&self, _: &mut Exposition) {}
}
