//! What passes between the HTTP interface and the execution engine: authenticated messages in, their
//! status out. Names and meanings are those of the Internet Computer interface specification
//! ("HTTPS interface", "The system state tree").

use candid::Principal;

/// The SHA-256 of a request's representation-independent form; names a request everywhere.
pub type RequestId = [u8; 32];

/// An update call whose envelope has been authenticated: signature, delegations, expiry and sender are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    pub request_id: RequestId,
    pub sender: Principal,
    /// The canister called; `aaaaa-aa` for the management canister.
    pub canister_id: Principal,
    pub method: String,
    pub arg: Vec<u8>,
    /// Nanoseconds since 1970 UTC after which the message may no longer be executed; its status is kept
    /// at least until then, so that a replay finds it.
    pub expiry: u64,
}

/// Why a call was not answered with a reply. `code` is the specification's reject code (1 to 6),
/// `error_code` the implementation-specific `IC0xxx` string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    pub message: String,
    pub error_code: Option<String>,
}

/// Reject codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RejectCode {
    SysFatal = 1,
    SysTransient = 2,
    DestinationInvalid = 3,
    CanisterReject = 4,
    CanisterError = 5,
    SysUnknown = 6,
}

/// Life cycle of an update call, as `request_status` in the state tree shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    Received,
    Processing,
    Replied(Vec<u8>),
    Rejected(Reject),
    /// It ended, and its reply is no longer kept.
    Done,
}

/// What the state tree says of the canister under `/canister/<id>/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanisterState {
    /// SHA-256 of the wasm as installed; `None` before the first installation.
    pub module_hash: Option<[u8; 32]>,
    pub controllers: Vec<Principal>,
    /// At most 32 bytes, set by the canister with `certified_data_set`.
    pub certified_data: Vec<u8>,
    /// Custom sections `icp:public <name>` and `icp:private <name>` of the wasm.
    pub metadata: Vec<MetadataSection>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataSection {
    pub name: String,
    /// A private section is readable by controllers only.
    pub public: bool,
    pub content: Vec<u8>,
}

/// One commit's effect on the state tree, in the order of commits.
#[derive(Clone, Debug, Default)]
pub struct TreeChanges {
    /// Nanoseconds since 1970 UTC of the commit; never goes back.
    pub time: u64,
    /// New or changed request statuses.
    pub requests: Vec<(RequestId, RequestStatus)>,
    /// Requests whose status is no longer kept.
    pub pruned: Vec<RequestId>,
    /// The canister's part, where it changed.
    pub canister: Option<CanisterState>,
}

/// What is known of one update call: enough to answer `read_state` for it, and to decide who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    pub status: RequestStatus,
    /// Who sent it; nobody else may read its status.
    pub sender: Principal,
    /// The canister it was sent to.
    pub canister_id: Principal,
}

/// The system state tree that certificates are made from, kept up to date by the engine.
pub trait StateTree: Send + Sync {
    /// Takes over the effects of one commit, after it is durable and before anyone is told of it. Called in
    /// the order of commits, from one thread at a time. What was applied before may come again and must
    /// then change nothing.
    fn apply(&self, changes: &TreeChanges);

    /// A certificate (CBOR) over the canister's certified data as last applied, for `ic0.data_certificate_copy`
    /// in queries; `None` where none can be made. Called before every query of a module that imports it, so an
    /// implementation keeps the last one until the tree or the second changes.
    fn data_certificate(&self) -> Option<Vec<u8>>;
}
