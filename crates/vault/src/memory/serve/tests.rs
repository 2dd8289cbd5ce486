use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType, BlobHosting,
    ByteBuf, GrantSource, InlineAssetInput, PersonRef, ResourceRole,
};

use super::{AssetRequest, Refusal};
use crate::{Call, Error, NewMemory, Vault};

const SECOND: u64 = 1_000_000_000;

fn by(person: u8) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now: 0,
    }
}

fn metadata(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Note(AssetMetadataBase::new("a picture.png", asset_type, "image/png").into())
}

/// A memory of person 1 with an original and two thumbnails, all inline.
struct Home {
    vault: Vault<VectorMemory>,
    capsule: String,
    memory: String,
    thumbnails: [String; 2],
}

fn home() -> Home {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed([1; 32]);
    let capsule = vault.capsules_create(by(1), None).unwrap().id;
    let new = NewMemory {
        capsule: capsule.clone(),
        inline: Some(ByteBuf::from(b"the original".to_vec())),
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: metadata(AssetType::Original),
        idem: "m".into(),
    };
    let memory = vault.memories_create(by(1), new).unwrap();
    let thumbnails = ["first thumbnail", "second thumbnail"].map(|text| {
        let input = InlineAssetInput {
            bytes: ByteBuf::from(text.as_bytes().to_vec()),
            metadata: metadata(AssetType::Thumbnail),
        };
        vault
            .memories_add_inline_asset(by(1), &memory, input, text)
            .unwrap()
    });
    Home {
        vault,
        capsule,
        memory,
        thumbnails,
    }
}

fn entry(person: u8, perm_mask: u32) -> AccessEntry {
    AccessEntry {
        id: "entry".into(),
        person_ref: Some(PersonRef::Principal(by(person).caller)),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

impl Home {
    fn mint(&self, person: u8, variants: &[&str], assets: Option<&[String]>) -> String {
        let variants: Vec<String> = variants.iter().map(|name| name.to_string()).collect();
        self.vault
            .mint_http_token(by(person), &self.memory, &variants, assets, 0)
            .unwrap()
    }

    /// What a request answers: the content, read in two pieces, or why not.
    fn get(
        &self,
        now: u64,
        variant: &str,
        asset: Option<&str>,
        token: Option<&str>,
    ) -> Result<String, Refusal> {
        let request = AssetRequest {
            memory: &self.memory,
            variant,
            asset,
            token,
        };
        let served = self.vault.asset_by_token(now, request)?;
        let mut bytes = Vec::new();
        self.vault.append_asset(&served, 0, 4, &mut bytes);
        let rest = served.len - 4;
        self.vault.append_asset(&served, 4, rest, &mut bytes);
        assert_eq!(served.sha256, crate::hash::sha256(&[&bytes]));
        Ok(String::from_utf8(bytes).unwrap())
    }
}

#[test]
fn a_token_opens_its_variants_and_its_assets_and_nothing_else() {
    let home = home();
    let [first, second] = &home.thumbnails;
    let token = home.mint(1, &["thumbnail"], None);
    let get = |variant, asset, token: &str| home.get(0, variant, asset, Some(token));
    assert_eq!(get("thumbnail", None, &token).unwrap(), "first thumbnail");
    assert_eq!(
        get("thumbnail", Some(second), &token).unwrap(),
        "second thumbnail"
    );
    assert_eq!(get("original", None, &token), Err(Refusal::Forbidden));
    assert_eq!(get("display", None, &token), Err(Refusal::Forbidden));
    assert_eq!(get("everything", None, &token), Err(Refusal::NotFound));

    let original = home
        .vault
        .memories_list_assets(by(1), &home.memory)
        .unwrap();
    let original = &original.inline_assets[0];
    // The original's id does not make a thumbnail of it, nor the other way round.
    assert_eq!(
        get("thumbnail", Some(original), &token),
        Err(Refusal::NotFound)
    );
    assert_eq!(
        get("original", Some(first), &token),
        Err(Refusal::Forbidden)
    );

    let one = home.mint(1, &["thumbnail"], Some(std::slice::from_ref(second)));
    assert_eq!(get("thumbnail", None, &one).unwrap(), "second thumbnail");
    assert_eq!(get("thumbnail", Some(first), &one), Err(Refusal::Forbidden));
    let both = home.mint(1, &["original", "display"], None);
    assert_eq!(get("original", None, &both).unwrap(), "the original");
    assert_eq!(get("display", None, &both), Err(Refusal::NotFound));

    assert_eq!(home.get(0, "original", None, None), Err(Refusal::NoToken));
    assert_eq!(get("original", None, "nonsense!"), Err(Refusal::Malformed));
    let forged = format!("{}AAAA", &both[..both.len() - 4]);
    assert_eq!(get("original", None, &forged), Err(Refusal::Forbidden));
    let last = home.get(180 * SECOND - 1, "original", None, Some(&both));
    assert_eq!(last.unwrap(), "the original");
    let late = home.get(180 * SECOND, "original", None, Some(&both));
    assert_eq!(late, Err(Refusal::Forbidden));

    let elsewhere = AssetRequest {
        memory: "mem_00000000000000000000000000000000",
        variant: "original",
        asset: None,
        token: Some(&both),
    };
    let refused = home.vault.asset_by_token(0, elsewhere).unwrap_err();
    assert_eq!(refused, Refusal::Forbidden);
}

#[test]
fn a_token_stops_working_when_its_holder_loses_access() {
    let mut home = home();
    let memory = home.memory.clone();
    home.vault
        .access_grant(by(1), &memory, entry(2, 3))
        .unwrap();
    let token = home.mint(2, &["original", "thumbnail"], None);
    let get = |home: &Home, variant| home.get(0, variant, None, Some(&token)).map(|_| ());
    assert_eq!(get(&home, "original"), Ok(()));
    // Who may only view any more gets derivatives only.
    home.vault
        .access_grant(by(1), &memory, entry(2, 1))
        .unwrap();
    assert_eq!(get(&home, "original"), Err(Refusal::Forbidden));
    assert_eq!(get(&home, "thumbnail"), Ok(()));
    home.vault.access_revoke(by(1), &memory, "entry").unwrap();
    assert_eq!(get(&home, "thumbnail"), Err(Refusal::Forbidden));
    // Nor does it tell what is there.
    assert_eq!(get(&home, "original"), Err(Refusal::Forbidden));

    let own = home.mint(1, &["original"], None);
    home.vault.memories_delete(by(1), &memory, true).unwrap();
    let gone = home.get(0, "original", None, Some(&own));
    assert_eq!(gone, Err(Refusal::NotFound));
}

#[test]
fn external_content_is_served_by_nobody() {
    let mut home = home();
    let new = NewMemory {
        capsule: home.capsule.clone(),
        inline: None,
        blob: None,
        location: Some(BlobHosting::S3),
        storage_key: Some("key".into()),
        url: None,
        size: Some(10),
        sha256: None,
        metadata: metadata(AssetType::Original),
        idem: "external".into(),
    };
    home.memory = home.vault.memories_create(by(1), new).unwrap();
    let token = home.mint(1, &["original"], None);
    let answer = home.get(0, "original", None, Some(&token));
    assert_eq!(answer, Err(Refusal::NotFound));
}

#[test]
fn a_replaced_key_ends_all_tokens_once() {
    let mut home = home();
    let before = home.mint(1, &["original"], None);
    let opens = |home: &Home, token: &str| home.get(0, "original", None, Some(token)).map(|_| ());
    let rotate = |home: &mut Home, call, is_operator, number| {
        home.vault.http_token_key_rotate(call, is_operator, number)
    };
    assert_eq!(rotate(&mut home, by(1), false, 0), Err(Error::Unauthorized));
    let anonymous = Call {
        caller: Principal::anonymous(),
        now: 0,
    };
    assert_eq!(
        rotate(&mut home, anonymous, true, 0),
        Err(Error::Unauthorized)
    );
    assert!(matches!(
        rotate(&mut home, by(2), true, 1),
        Err(Error::Invalid { name: "number", .. })
    ));
    assert_eq!(opens(&home, &before), Ok(()));

    assert_eq!(rotate(&mut home, by(2), true, 0), Ok(()));
    assert_eq!(opens(&home, &before), Err(Refusal::Forbidden));
    let after = home.mint(1, &["original"], None);
    assert_eq!(opens(&home, &after), Ok(()));
    // Sent again it replaces nothing.
    assert_eq!(rotate(&mut home, by(2), true, 0), Ok(()));
    assert_eq!(opens(&home, &after), Ok(()));
    assert_eq!(rotate(&mut home, by(2), true, 1), Ok(()));
    assert_eq!(opens(&home, &after), Err(Refusal::Forbidden));
}
