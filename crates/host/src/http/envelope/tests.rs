//! Envelopes as clients write them, and as they must not.

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
fn items_are_counted() {
    assert_eq!(count_items(&[]), Some(0));
    // {"a": [1, 500, h'0102'], "b": (_ "x", "y")}, the break included.
    let body = hex::decode("a26161830119 01f4420102 61627f6178 6179ff".replace(' ', "")).unwrap();
    assert_eq!(count_items(&body), Some(11));
    assert_eq!(count_items(&[0x1c]), None);
    assert_eq!(count_items(&[0x19, 1]), None);
    let small = [[0x9a, 0, 1, 0, 0].as_slice(), &vec![0; 300_000]].concat();
    assert_eq!(
        Envelope::decode(&small).unwrap_err(),
        EnvelopeError::TooManyItems
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
        (and("sender_info", Value::Map(vec![])), E::SenderInfo),
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
