//! HTTP requests and answers as gateways pass them on (Internet Computer HTTP gateway protocol, "Canister HTTP interface").

use candid::CandidType;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    /// Path and query.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: ByteBuf,
    /// What the gateway verifies answers by; none: version 1.
    pub certificate_version: Option<u16>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    pub status_code: u16,
    pub headers: Vec<(String, String)>,
    pub body: ByteBuf,
    /// Whether the gateway is to send the request again, as an update.
    pub upgrade: Option<bool>,
}
