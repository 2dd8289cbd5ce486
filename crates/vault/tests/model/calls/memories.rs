//! How calls that create, read and delete memories are generated.

use keepsake_api::{AssetType, BlobHosting, MemoryType};
use proptest::collection::vec;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{blob, capsule, content, given, idem, memory};
use super::{Call, Content, Given, MemorySaid, OnCapsule, Pick, Said, Several, Step, Who};
use crate::pools::BAD_CURSORS;

fn kind() -> impl Strategy<Value = MemoryType> {
    select(vec![
        MemoryType::Image,
        MemoryType::Video,
        MemoryType::Audio,
        MemoryType::Document,
        MemoryType::Note,
    ])
}

fn said() -> impl Strategy<Value = Said> {
    use AssetType::*;
    let asset_type = select(vec![
        Original,
        Original,
        Display,
        Thumbnail,
        Placeholder,
        Metadata,
    ]);
    (
        kind(),
        asset_type,
        given(false),
        given(true),
        select(vec![0, 0, 5]),
        any::<bool>(),
    )
        .prop_map(|(kind, asset_type, bytes, sha256, created_at, rich)| Said {
            kind,
            asset_type,
            bytes,
            sha256,
            created_at,
            rich,
        })
}

pub(super) fn memory_said() -> impl Strategy<Value = MemorySaid> {
    let title = select(vec![
        None,
        Some(""),
        Some("At the lake"),
        Some("Großmutters Küche"),
    ]);
    let date = select(vec![
        None,
        None,
        Some(0),
        Some(7),
        Some(1_700_000_000_000_000_000),
        Some(u64::MAX),
    ]);
    (
        kind(),
        title,
        select(vec![0, 0, 7, 1_700_000_000_000_000_000]),
        date,
        any::<bool>(),
    )
        .prop_map(
            |(kind, title, created_at, date_of_memory, rich)| MemorySaid {
                kind,
                title,
                created_at,
                date_of_memory,
                rich,
            },
        )
}

fn external() -> impl Strategy<Value = Content> {
    use BlobHosting::*;
    let location = select(vec![S3, S3, VercelBlob, Ipfs, Arweave, Neon, Icp]);
    let key = select(vec![
        Some("photos/1.jpg"),
        Some("photos/1.jpg"),
        Some("k"),
        Some(""),
        None,
    ]);
    (
        location,
        key,
        any::<bool>(),
        content(),
        given(false),
        given(true),
    )
        .prop_map(
            |(location, key, url, content, size, hash)| Content::External {
                location,
                key,
                url,
                content,
                size,
                hash,
            },
        )
}

fn blob_reference() -> impl Strategy<Value = Content> {
    (blob(), given(true), given(false)).prop_map(|(blob, hash, len)| Content::Blob {
        blob,
        hash,
        len,
    })
}

fn asset() -> impl Strategy<Value = Content> {
    prop_oneof![4 => content().prop_map(Content::Inline), 5 => blob_reference(), 2 => external()]
}

/// One of inline, blob and external; sometimes none or several.
fn assets() -> impl Strategy<Value = Vec<Content>> {
    prop_oneof![
        12 => asset().prop_map(|one| vec![one]),
        1 => (option::of(content()), option::of(blob_reference()), option::of(external()))
            .prop_map(|(i, b, e)| i.map(Content::Inline).into_iter().chain(b).chain(e).collect()),
    ]
}

fn several() -> impl Strategy<Value = Several> {
    (vec((blob(), said()), 0..4), vec((content(), said()), 0..3))
        .prop_map(|(blobs, inline)| Several { blobs, inline })
}

pub(super) fn memories() -> impl Strategy<Value = Call> {
    let limit = weighted(
        0.9,
        prop_oneof![8 => 1..4u32, 1 => select(vec![0, 50, 101, u32::MAX])],
    );
    let added = asset().prop_filter("no external ones", |a| {
        !matches!(a, Content::External { .. })
    });
    prop_oneof![
        14 => (capsule(), assets(), given(true), said(), idem())
            .prop_map(|(capsule, assets, stray_hash, said, idem)| Call::Create { capsule, assets, stray_hash, said, idem }),
        10 => (capsule(), memory_said(), several(), idem())
            .prop_map(|(capsule, said, assets, idem)| Call::CreateWithAssets { capsule, said, assets, idem }),
        9 => (memory(), added, said(), idem())
            .prop_map(|(memory, asset, said, idem)| Call::Add { memory, asset, said, idem }),
        5 => (memory(), several(), idem())
            .prop_map(|(memory, assets, idem)| Call::AddSeveral { memory, assets, idem }),
        8 => memory().prop_map(|memory| Call::Read { memory }),
        10 => (capsule(), limit, any::<bool>())
            .prop_map(|(capsule, limit, go_on)| Call::List { capsule, limit, go_on }),
        1 => (capsule(), 0..BAD_CURSORS.len()).prop_map(|(capsule, cursor)| Call::ListBadCursor { capsule, cursor }),
        2 => vec(memory(), 0..5).prop_map(|memories| Call::Ping { memories }),
        5 => memory().prop_map(|memory| Call::Trash { memory }),
        5 => memory().prop_map(|memory| Call::Restore { memory }),
        5 => (memory(), any::<bool>()).prop_map(|(memory, delete_assets)| Call::Delete { memory, delete_assets }),
        1 => (capsule(), vec(memory(), 0..4), any::<bool>())
            .prop_map(|(capsule, memories, delete_assets)| Call::DeleteBulk { capsule, memories, delete_assets }),
    ]
}

/// A memory that is created, taken away in one of many ways, and created again by the same request.
pub(super) fn again() -> impl Strategy<Value = Vec<Step>> {
    let newest = Pick::Nth(0);
    let gone = prop_oneof![
        3 => any::<bool>().prop_map(move |delete_assets| Call::Delete { memory: newest, delete_assets }),
        1 => Just(Call::Trash { memory: newest }),
        1 => Just(Call::Cleanup { memory: newest }),
        1 => (capsule(), any::<bool>()).prop_map(|(capsule, delete_assets)| Call::Capsule {
            capsule,
            about: OnCapsule::DeleteAll { delete_assets },
        }),
    ];
    (capsule(), asset(), said(), idem(), gone).prop_map(|(capsule, asset, said, idem, gone)| {
        let create = Call::Create {
            capsule,
            assets: vec![asset],
            stray_hash: Given::Nothing,
            said,
            idem,
        };
        let about = OnCapsule::ExternalDeletions;
        let listed = Call::Capsule { capsule, about };
        let step = |call| Step {
            who: Who::Rightful,
            call,
            later: 1,
            twice: false,
        };
        [create.clone(), gone, listed.clone(), create, listed]
            .map(step)
            .into()
    })
}
