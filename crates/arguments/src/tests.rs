use super::*;
use candid::utils::encode_args;
use keepsake_api::*;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

fn metadata(
    name: &str,
    tags: Vec<String>,
    sha256: Option<Vec<u8>>,
    width: Option<u32>,
) -> AssetMetadata {
    AssetMetadata::Image(ImageAssetMetadata {
        base: AssetMetadataBase {
            name: name.to_owned(),
            description: None,
            tags,
            asset_type: AssetType::Display,
            bytes: 7,
            mime_type: "image/jpeg".to_owned(),
            sha256: sha256.map(ByteBuf::from),
            width,
            height: width,
            url: None,
            storage_key: Some(name.to_owned()),
            bucket: None,
            asset_location: None,
            processing_status: None,
            processing_error: None,
            created_at: 1,
            updated_at: u64::MAX,
            deleted_at: None,
        },
        color_space: None,
        exif_data: None,
        compression_ratio: Some(0.5),
        dpi: None,
        orientation: Some(1),
    })
}

type Add = (String, InlineAssetInput, String);
type Create = (
    String,
    Option<ByteBuf>,
    Option<BlobRef>,
    Option<BlobHosting>,
    AssetMetadata,
    Vec<InternalBlobAssetInput>,
    String,
);

fn create(bytes: Vec<u8>, name: &str, tags: Vec<String>, width: Option<u32>) -> Create {
    let blob = InternalBlobAssetInput {
        blob_id: name.to_owned(),
        metadata: metadata(name, tags.clone(), Some(bytes.clone()), width),
    };
    (
        "capsule".to_owned(),
        Some(ByteBuf::from(bytes)),
        None,
        Some(BlobHosting::S3),
        metadata(name, tags, None, width),
        vec![blob],
        "key".to_owned(),
    )
}

/// Decodes a message twice, so that the second time knows its types, and once by candid; all agree.
fn agree<T: Arguments + PartialEq + std::fmt::Debug>(message: &[u8]) -> Option<T> {
    let expected = decode_by_candid::<T>(message).ok();
    for _ in 0..2 {
        assert_eq!(decode::<T>(message).ok(), expected);
    }
    expected
}

fn has_plan<T: Arguments>(message: &[u8]) -> bool {
    decode::<T>(message).unwrap();
    KNOWN.with_borrow(|known| {
        known[&TypeId::of::<T>()]
            .iter()
            .any(|known| known.plan.is_some() && message.starts_with(&known.description))
    })
}

/// Arguments of several calls.
fn messages() -> Vec<Vec<u8>> {
    let create = create(vec![1, 2, 3], "a", vec!["t".to_owned()], Some(9));
    let asset = InlineAssetInput {
        bytes: ByteBuf::from(vec![9; 3]),
        metadata: metadata("b", Vec::new(), None, None),
    };
    let entry: (PersonRef, Option<u128>, Vec<u8>, Vec<PersonRef>) = (
        PersonRef::Principal(candid::Principal::management_canister()),
        None,
        vec![1, 2],
        vec![PersonRef::Opaque("grandmother".to_owned())],
    );
    vec![
        encode_args(create).unwrap(),
        encode_args(("memory", asset, "key")).unwrap(),
        encode_args(entry).unwrap(),
        encode_args((1u64, 2u32, ByteBuf::from(vec![3; 9]))).unwrap(),
    ]
}

/// Every type of arguments of these tests.
fn agree_on_all(message: &[u8]) {
    agree::<Create>(message);
    agree::<Add>(message);
    agree::<(PersonRef, Option<u128>, Vec<u8>, Vec<PersonRef>)>(message);
    agree::<(PersonRef, Option<u32>, Vec<u8>, Vec<PersonRef>)>(message);
    agree::<(u64, u32, ByteBuf)>(message);
    agree::<(u64, Option<u32>, ByteBuf, Option<String>)>(message);
}

#[test]
fn what_clients_send_is_read_by_a_plan() {
    let messages = messages();
    assert!(has_plan::<Create>(&messages[0]));
    assert!(has_plan::<Add>(&messages[1]));
    assert!(has_plan::<(u64, u32, ByteBuf)>(&messages[3]));
    assert!(agree::<Create>(&messages[0]).is_some());
}

#[test]
fn types_that_only_candid_converts_are_left_to_it() {
    #[derive(CandidType)]
    struct Older {
        blob_id: String,
    }
    #[derive(CandidType, Deserialize, Debug, PartialEq)]
    struct Newer {
        blob_id: String,
        note: Option<String>,
    }
    #[derive(CandidType)]
    struct Newest {
        blob_id: String,
        note: String,
        more: u8,
    }
    let newer = |note: Option<&str>| {
        let note = note.map(str::to_owned);
        let blob_id = "b".to_owned();
        Some((Newer { blob_id, note },))
    };
    let blob_id = "b".to_owned();
    let older = encode_args((Older { blob_id },)).unwrap();
    assert_eq!(agree::<(Newer,)>(&older), newer(None));
    assert!(has_plan::<(Newer,)>(&older));
    let newest = Newest {
        blob_id: "b".to_owned(),
        note: "n".to_owned(),
        more: 1,
    };
    let newest = encode_args((newest,)).unwrap();
    assert_eq!(agree::<(Newer,)>(&newest), newer(Some("n")));
    assert!(!has_plan::<(Newer,)>(&newest));
    // Fewer arguments than expected, more than expected, and none at all.
    assert_eq!(agree::<(Option<u8>,)>(b""), Some((None,)));
    let two = encode_args((Some(1u8), 2u8)).unwrap();
    assert_eq!(agree::<(Option<u8>,)>(&two), Some((Some(1),)));
    // A list whose values take no bytes.
    let empty = encode_args((vec![(), ()],)).unwrap();
    assert_eq!(agree::<(Vec<()>,)>(&empty), Some((vec![(), ()],)));
    assert!(!has_plan::<(Vec<()>,)>(&empty));
}

#[test]
fn only_a_few_descriptions_are_kept() {
    for extra in 0..20u8 {
        // Further arguments, which are not expected: another description each time.
        let mut message = b"DIDL\0".to_vec();
        message.push(1 + extra);
        message.extend(std::iter::repeat_n(0x7b, 1 + usize::from(extra)));
        message.extend(0..=extra);
        assert_eq!(agree::<(u8,)>(&message), Some((0,)));
    }
    let kept = KNOWN.with_borrow(|known| known[&TypeId::of::<(u8,)>()].len());
    assert_eq!(kept, KEPT);
}

#[test]
fn a_message_cut_anywhere_is_refused_like_candid_does() {
    for message in messages() {
        agree_on_all(&message);
        for end in 0..message.len() {
            agree_on_all(&message[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_values_are_those_that_candid_reads(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        name in ".{0,20}",
        tags in prop::collection::vec(".{0,5}", 0..4),
        width in any::<Option<u32>>(),
    ) {
        let arguments = create(bytes, &name, tags, width);
        let message = encode_args(arguments.clone()).unwrap();
        prop_assert_eq!(agree::<Create>(&message), Some(arguments));
    }

    #[test]
    fn hostile_messages_fare_as_with_candid(
        message in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        extra in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let known = &messages()[message];
        agree_on_all(known);
        let mut hostile = known.clone();
        for (at, byte) in changes {
            let at = at.index(hostile.len());
            hostile[at] = byte;
        }
        hostile.extend(extra);
        agree_on_all(&hostile);
    }
}
