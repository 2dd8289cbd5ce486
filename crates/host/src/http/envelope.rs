//! Authentication envelopes: their CBOR form, strictly decoded (specification, "CBOR encoding of requests and
//! responses"). Nothing here is believed yet; see [`super::authentication`].
//!
//! The request id is taken over every field of the content, those this host does not know included, so that a
//! field added by a newer client is covered by its signature.

use crate::crypto::Sha256Digest;
use crate::crypto::representation::{Hashable, Unhashable};
use crate::message::RequestId;
use candid::Principal;
use ciborium::Value;

/// Nesting of the deepest request there is (a path in a read_state request, a delegation's targets), with some
/// room for fields to come. What is deeper is refused before it is read.
const MAX_DEPTH: usize = 12;

/// CBOR items in the largest request there is, a read_state request with all the paths it may have, with some
/// room. A decoded item takes many times its encoded byte, so that without this bound a small body of small items
/// would take memory out of proportion.
const MAX_ITEMS: usize = 160_000;

/// The longest nonce, in bytes.
const MAX_NONCE: usize = 32;

/// The most paths in one read_state request.
pub const MAX_PATHS: usize = 1000;

/// The most labels in one path.
pub const MAX_PATH_LENGTH: usize = 127;

/// A request with what authenticates it.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub request_id: RequestId,
    pub sender: Principal,
    /// Nanoseconds since 1970 after which the request counts no more.
    pub ingress_expiry: u64,
    pub content: Content,
    pub sender_pubkey: Option<Vec<u8>>,
    pub sender_sig: Option<Vec<u8>>,
    pub sender_delegation: Option<Vec<SignedDelegation>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Call(CallContent),
    Query(CallContent),
    ReadState { paths: Vec<Vec<Vec<u8>>> },
}

impl Content {
    /// The `request_type` of the specification.
    pub fn request_type(&self) -> &'static str {
        match self {
            Self::Call(_) => "call",
            Self::Query(_) => "query",
            Self::ReadState { .. } => "read_state",
        }
    }
}

/// A method call, as update or as query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContent {
    pub canister_id: Principal,
    pub method_name: String,
    pub arg: Vec<u8>,
}

/// A delegation from one key to another, with the signature of the former.
#[derive(Clone, Debug)]
pub struct SignedDelegation {
    /// Representation-independent hash of the delegation, which is what is signed.
    pub hash: Sha256Digest,
    /// The key delegated to, in DER form.
    pub pubkey: Vec<u8>,
    /// Nanoseconds since 1970.
    pub expiration: u64,
    /// The canisters it is limited to; `None` for all.
    pub targets: Option<Vec<Principal>>,
    /// Whether it is limited to queries and read_state requests.
    pub queries_only: bool,
    pub signature: Vec<u8>,
}

/// Why a body is not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the body is not valid CBOR")]
    Cbor,
    #[error("the body has more than {MAX_ITEMS} CBOR items")]
    TooManyItems,
    #[error("the body goes on after the end of its CBOR value")]
    TrailingBytes,
    #[error("{0} is not a record with distinct text keys")]
    NotARecord(&'static str),
    #[error("the field {0} is missing")]
    Missing(&'static str),
    #[error("the field {0} is not {1}")]
    Type(&'static str, &'static str),
    #[error("the request_type is none of call, query and read_state")]
    RequestType,
    #[error("the nonce has more than {MAX_NONCE} bytes")]
    NonceTooLong,
    #[error("more than {MAX_PATHS} paths")]
    TooManyPaths,
    #[error("a path has more than {MAX_PATH_LENGTH} labels")]
    PathTooLong,
    #[error(
        "sender_info is certified by a network this host does not trust, and cannot be passed on"
    )]
    SenderInfo,
    #[error("it has no representation-independent hash: {0}")]
    Hash(#[from] Unhashable),
}

impl Envelope {
    /// Reads an envelope from a request's body. Linear in the body's size.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that is not one envelope, completely.
    pub fn decode(body: &[u8]) -> Result<Self, EnvelopeError> {
        if count_items(body).ok_or(EnvelopeError::Cbor)? > MAX_ITEMS {
            return Err(EnvelopeError::TooManyItems);
        }
        let mut rest = body;
        let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
            .map_err(|_| EnvelopeError::Cbor)?;
        if !rest.is_empty() {
            return Err(EnvelopeError::TrailingBytes);
        }
        let value = match value {
            Value::Tag(55799, value) => *value,
            value => value,
        };
        let mut envelope = Record::new("the envelope", value)?;
        let content = envelope.required("content")?;
        let request_id = Hashable::try_from(&content)?.hash();
        let mut content = Record::new("the content", content)?;

        let sender = principal("sender", content.required("sender")?)?;
        let ingress_expiry = nat("ingress_expiry", content.required("ingress_expiry")?)?;
        if let Some(nonce) = content.optional("nonce")
            && bytes("nonce", nonce)?.len() > MAX_NONCE
        {
            return Err(EnvelopeError::NonceTooLong);
        }
        if content.optional("sender_info").is_some() {
            return Err(EnvelopeError::SenderInfo);
        }
        let request_type = text("request_type", content.required("request_type")?)?;
        let content = match request_type.as_str() {
            "call" => Content::Call(call(&mut content)?),
            "query" => Content::Query(call(&mut content)?),
            "read_state" => Content::ReadState {
                paths: paths(content.required("paths")?)?,
            },
            _ => return Err(EnvelopeError::RequestType),
        };

        let sender_pubkey = envelope
            .optional("sender_pubkey")
            .map(|key| bytes("sender_pubkey", key))
            .transpose()?;
        let sender_sig = envelope
            .optional("sender_sig")
            .map(|signature| bytes("sender_sig", signature))
            .transpose()?;
        let sender_delegation = match envelope.optional("sender_delegation") {
            None => None,
            Some(Value::Array(links)) => Some(
                links
                    .into_iter()
                    .map(delegation)
                    .collect::<Result<_, _>>()?,
            ),
            Some(_) => return Err(EnvelopeError::Type("sender_delegation", "an array")),
        };
        Ok(Self {
            request_id,
            sender,
            ingress_expiry,
            content,
            sender_pubkey,
            sender_sig,
            sender_delegation,
        })
    }
}

/// The CBOR items in `body`, nested ones included, without decoding them; `None` where an item's head is
/// malformed. What is cut off or goes on too long is the decoder's to find.
fn count_items(body: &[u8]) -> Option<usize> {
    let mut rest = body;
    let mut items = 0;
    while let Some((head, after)) = rest.split_first() {
        items += 1;
        let (major, info) = (head >> 5, head & 0x1f);
        let width = match info {
            0..=23 | 31 => 0,
            24..=27 => 1 << (info - 24),
            _ => return None,
        };
        let argument = after.get(..width)?;
        let value = match info {
            0..=23 => u64::from(info),
            _ => argument
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        // Byte and text strings of known length are passed over; everything else has its parts as items.
        let content = if matches!(major, 2 | 3) {
            usize::try_from(value).ok()?
        } else {
            0
        };
        rest = after[width..].get(content..).unwrap_or_default();
    }
    Some(items)
}

fn call(content: &mut Record) -> Result<CallContent, EnvelopeError> {
    Ok(CallContent {
        canister_id: principal("canister_id", content.required("canister_id")?)?,
        method_name: text("method_name", content.required("method_name")?)?,
        arg: bytes("arg", content.required("arg")?)?,
    })
}

fn paths(value: Value) -> Result<Vec<Vec<Vec<u8>>>, EnvelopeError> {
    let error = EnvelopeError::Type("paths", "an array of arrays of byte strings");
    let Value::Array(paths) = value else {
        return Err(error);
    };
    if paths.len() > MAX_PATHS {
        return Err(EnvelopeError::TooManyPaths);
    }
    paths
        .into_iter()
        .map(|path| {
            let Value::Array(labels) = path else {
                return Err(error.clone());
            };
            if labels.len() > MAX_PATH_LENGTH {
                return Err(EnvelopeError::PathTooLong);
            }
            labels
                .into_iter()
                .map(|label| label.into_bytes().map_err(|_| error.clone()))
                .collect()
        })
        .collect()
}

fn delegation(value: Value) -> Result<SignedDelegation, EnvelopeError> {
    let mut signed = Record::new("a signed delegation", value)?;
    let signature = bytes("signature", signed.required("signature")?)?;
    let delegation = signed.required("delegation")?;
    let hash = Hashable::try_from(&delegation)?.hash();
    let mut delegation = Record::new("a delegation", delegation)?;
    let targets = match delegation.optional("targets") {
        None => None,
        Some(Value::Array(targets)) => Some(
            targets
                .into_iter()
                .map(|target| principal("targets", target))
                .collect::<Result<_, _>>()?,
        ),
        Some(_) => return Err(EnvelopeError::Type("targets", "an array")),
    };
    let queries_only = match delegation.optional("permissions") {
        None => false,
        Some(Value::Text(permissions)) if permissions == "all" => false,
        Some(Value::Text(permissions)) if permissions == "queries" => true,
        Some(_) => return Err(EnvelopeError::Type("permissions", "one of all and queries")),
    };
    Ok(SignedDelegation {
        hash,
        pubkey: bytes("pubkey", delegation.required("pubkey")?)?,
        expiration: nat("expiration", delegation.required("expiration")?)?,
        targets,
        queries_only,
        signature,
    })
}

/// A CBOR map with distinct text keys, from which fields are taken.
struct Record {
    fields: Vec<(String, Value)>,
}

impl Record {
    fn new(name: &'static str, value: Value) -> Result<Self, EnvelopeError> {
        let Value::Map(entries) = value else {
            return Err(EnvelopeError::NotARecord(name));
        };
        let mut fields = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Text(key) = key else {
                return Err(EnvelopeError::NotARecord(name));
            };
            fields.push((key, value));
        }
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(EnvelopeError::NotARecord(name));
        }
        Ok(Self { fields })
    }

    /// The field of this name, which is taken out; `None` where it is absent or null.
    fn optional(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(key, _)| key == name)?;
        match self.fields.swap_remove(index).1 {
            Value::Null => None,
            value => Some(value),
        }
    }

    fn required(&mut self, name: &'static str) -> Result<Value, EnvelopeError> {
        self.optional(name).ok_or(EnvelopeError::Missing(name))
    }
}

fn bytes(field: &'static str, value: Value) -> Result<Vec<u8>, EnvelopeError> {
    value
        .into_bytes()
        .map_err(|_| EnvelopeError::Type(field, "a byte string"))
}

fn text(field: &'static str, value: Value) -> Result<String, EnvelopeError> {
    value
        .into_text()
        .map_err(|_| EnvelopeError::Type(field, "a text"))
}

fn nat(field: &'static str, value: Value) -> Result<u64, EnvelopeError> {
    let error = EnvelopeError::Type(field, "a natural number below 2^64");
    value
        .into_integer()
        .ok()
        .and_then(|number| u64::try_from(number).ok())
        .ok_or(error)
}

fn principal(field: &'static str, value: Value) -> Result<Principal, EnvelopeError> {
    let bytes = bytes(field, value)?;
    Principal::try_from_slice(&bytes).map_err(|_| EnvelopeError::Type(field, "a principal"))
}

#[cfg(test)]
mod tests;
