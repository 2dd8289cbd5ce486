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
    #[error("it has no representation-independent hash: {0}")]
    Hash(#[from] Unhashable),
}

impl Envelope {
    /// Reads an envelope from a request's body. Linear in the body's size.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything that is not one envelope, completely.
    pub fn decode(body: &[u8]) -> Result<Self, EnvelopeError> {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn content() -> Vec<(Value, Value)> {
        vec![
            ("request_type".into(), "call".into()),
            ("sender".into(), Value::Bytes(vec![4])),
            ("ingress_expiry".into(), 1_685_570_400_000_000_000u64.into()),
            (
                "canister_id".into(),
                Value::Bytes(vec![0, 0, 0, 0, 0, 0, 4, 0xd2]),
            ),
            ("method_name".into(), "hello".into()),
            ("arg".into(), Value::Bytes(b"DIDL\x00\xFD*".to_vec())),
        ]
    }

    fn with(content: Vec<(Value, Value)>) -> Vec<u8> {
        encode(&Value::Tag(
            55799,
            Box::new(Value::Map(vec![("content".into(), Value::Map(content))])),
        ))
    }

    #[test]
    fn the_request_of_the_specification() {
        let envelope = Envelope::decode(&with(content())).unwrap();
        let id = "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101";
        assert_eq!(hex::encode(envelope.request_id), id);
        let Content::Call(call) = envelope.content else {
            panic!("not a call")
        };
        assert_eq!(call.method_name, "hello");
        assert_eq!(call.arg, b"DIDL\x00\xFD*");
    }

    #[test]
    fn numbers_as_bignums() {
        // Older JavaScript agents write every number so.
        let mut fields = content();
        let digits = 1_685_570_400_000_000_000u64.to_be_bytes().to_vec();
        fields[2].1 = Value::Tag(2, Box::new(Value::Bytes(digits)));
        let plain = Envelope::decode(&with(content())).unwrap();
        assert_eq!(
            Envelope::decode(&with(fields)).unwrap().request_id,
            plain.request_id
        );
    }

    #[test]
    fn unknown_fields_are_part_of_the_request_id() {
        let mut fields = content();
        fields.push(("priority".into(), 1.into()));
        let plain = Envelope::decode(&with(content())).unwrap();
        assert_ne!(
            Envelope::decode(&with(fields)).unwrap().request_id,
            plain.request_id
        );
    }

    #[test]
    fn what_is_refused() {
        let replaced = |name: &str, value: Value| {
            let mut fields = content();
            for field in &mut fields {
                if field.0.as_text() == Some(name) {
                    field.1 = value.clone();
                }
            }
            with(fields)
        };
        let without = |name: &str| {
            with(
                content()
                    .into_iter()
                    .filter(|field| field.0.as_text() != Some(name))
                    .collect(),
            )
        };
        let and = |name: &str, value: Value| {
            with(
                content()
                    .into_iter()
                    .chain([(name.into(), value)])
                    .collect(),
            )
        };
        let mut trailing = with(content());
        trailing.push(0);
        let mut deep = vec![0x81; 100_000];
        deep.push(0);
        let huge_length = vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        use EnvelopeError as E;
        for (body, why) in [
            (vec![], E::Cbor),
            (b"hello".to_vec(), E::Cbor),
            (with(content())[..50].to_vec(), E::Cbor),
            (trailing, E::TrailingBytes),
            (deep, E::Cbor),
            (vec![0xd8; 1000], E::Cbor),
            (huge_length, E::Cbor),
            (encode(&1.into()), E::NotARecord("the envelope")),
            (encode(&Value::Map(vec![])), E::Missing("content")),
            (
                encode(&Value::Map(vec![("content".into(), 1.into())])),
                E::NotARecord("the content"),
            ),
            (without("sender"), E::Missing("sender")),
            (without("ingress_expiry"), E::Missing("ingress_expiry")),
            (without("request_type"), E::Missing("request_type")),
            (without("arg"), E::Missing("arg")),
            (replaced("request_type", "eat".into()), E::RequestType),
            (
                replaced("request_type", "read_state".into()),
                E::Missing("paths"),
            ),
            (
                replaced("sender", Value::Bytes(vec![0; 30])),
                E::Type("sender", "a principal"),
            ),
            (
                replaced("arg", "text".into()),
                E::Type("arg", "a byte string"),
            ),
            (
                replaced("method_name", 5.into()),
                E::Type("method_name", "a text"),
            ),
            (
                replaced("ingress_expiry", Value::Integer((-1).into())),
                E::Hash(Unhashable::Number),
            ),
            (
                replaced("ingress_expiry", Value::Float(1e18)),
                E::Hash(Unhashable::Type),
            ),
            (replaced("arg", Value::Null), E::Hash(Unhashable::Type)),
            (and("nonce", Value::Bytes(vec![0; 33])), E::NonceTooLong),
            (
                and("arg", Value::Bytes(vec![])),
                E::Hash(Unhashable::DuplicateKey),
            ),
        ] {
            assert_eq!(Envelope::decode(&body).unwrap_err(), why);
        }
    }

    #[test]
    fn too_many_and_too_long_paths() {
        let read = |paths: Vec<Value>| {
            with(vec![
                ("request_type".into(), "read_state".into()),
                ("sender".into(), Value::Bytes(vec![4])),
                ("ingress_expiry".into(), 1.into()),
                ("paths".into(), Value::Array(paths)),
            ])
        };
        let label = Value::Bytes(b"time".to_vec());
        assert!(
            Envelope::decode(&read(vec![
                Value::Array(vec![
                    label.clone();
                    MAX_PATH_LENGTH
                ]);
                MAX_PATHS
            ]))
            .is_ok()
        );
        let many = read(vec![Value::Array(vec![]); MAX_PATHS + 1]);
        assert_eq!(
            Envelope::decode(&many).unwrap_err(),
            EnvelopeError::TooManyPaths
        );
        let long = read(vec![Value::Array(vec![label; MAX_PATH_LENGTH + 1])]);
        assert_eq!(
            Envelope::decode(&long).unwrap_err(),
            EnvelopeError::PathTooLong
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::decode(&bytes);
        }

        #[test]
        fn damaged_envelopes_never_panic(position in 0usize..150, byte in any::<u8>()) {
            let mut body = with(content());
            let position = position % body.len();
            body[position] = byte;
            let _ = Envelope::decode(&body);
        }
    }
}
