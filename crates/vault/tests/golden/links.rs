//! Share links in an image: those of the scene, what they answer, and that what was done with them is done. Images before the second have
//! none.

use ic_stable_structures::VectorMemory;
use keepsake_api::{ByteBuf, HttpRequest, ShareLinkInput, ShareSelection};
use keepsake_vault::{Error, Vault};

use crate::answers::Answers;
use crate::image::Names;
use crate::later::MEANS;
use crate::scene::{NOW, Who, by, sha256};

/// What each is called, and the byte that its secret is made of.
const LINKS: [(&str, u8); 3] = [
    ("link to the capsule", 1),
    ("link to memories", 2),
    ("link that was revoked", 3),
];

const NONCE: &[u8] = b"the first use";

pub fn secret(byte: u8) -> [u8; 32] {
    [byte; 32]
}

/// A link as it was asked for.
fn asked(what: &str, byte: u8, names: &Names) -> ShareLinkInput {
    let memories = ["external", "several", "inline"].map(|memory| names[memory].clone());
    ShareLinkInput {
        capsule_id: names["capsule"].clone(),
        secret_sha256: ByteBuf::from(sha256(&secret(byte))),
        selection: match what {
            "link to memories" => ShareSelection::Memories(memories.to_vec()),
            _ => ShareSelection::Capsule,
        },
        expires_at: None,
        allow_download: what != "link to memories",
        title: Some(what.to_owned()),
    }
}

/// Makes the links of the scene; their ids by what they are called, and the token that one gives.
pub fn made(
    vault: &mut Vault<VectorMemory>,
    now: u64,
    names: &Names,
) -> Vec<(&'static str, String)> {
    let owner = by(Who::Owner, now);
    let mut ids = Vec::new();
    for (what, byte) in LINKS {
        let made = vault.share_links_create(owner, asked(what, byte, names));
        ids.push((what, made.expect("a link").id));
        for nonce in [NONCE, b"the second use"] {
            let guest = by(Who::Stranger, now);
            let opened = vault.share_links_open(guest, &secret(byte), nonce);
            opened.expect("it works");
        }
    }
    let (_, revoked) = &ids[2];
    let ended = vault.share_links_revoke(owner, &names["capsule"], revoked);
    ended.expect("a revocation");
    let shown = vault.share_links_memory(now, &secret(1), &names["inline"]);
    let original = shown.expect("it is shown").header.assets.original;
    ids.push(("token of a link", original.expect("with downloads").token));
    ids
}

pub fn answer(answers: &mut Answers, vault: &Vault<VectorMemory>, names: &Names) {
    if !names.contains_key(LINKS[0].0) {
        return;
    }
    let owner = by(Who::Owner, NOW);
    let list = vault.share_links_list(owner, &names["capsule"]);
    answers.add("share links", list);
    for (what, byte) in LINKS {
        let page = vault.share_links_memories(NOW, &secret(byte), None, Some(3));
        answers.add(format!("{what}, page"), page);
        for memory in ["inline", "several", "external", "trashed"] {
            let id = &names[memory];
            let shown = vault.share_links_memory(NOW, &secret(byte), id);
            for asset in shown.iter().flat_map(|shown| &shown.assets) {
                let range =
                    vault.share_links_asset(NOW, &secret(byte), id, &asset.asset_id, 1, 1_000);
                let bytes = range.map(|range| {
                    let mut bytes = Vec::new();
                    vault.append_shared(&range, &mut bytes);
                    sha256(&bytes)
                });
                answers.add(format!("{what}, {memory}, {}", asset.asset_id), bytes);
            }
            answers.add(format!("{what}, {memory}"), shown);
        }
    }
    let token = &names["token of a link"];
    let request = HttpRequest {
        method: "GET".into(),
        url: format!("/asset/{}/original?token={token}", names["inline"]),
        headers: Vec::new(),
        body: Vec::new().into(),
        certificate_version: None,
    };
    let response = vault.http_request(NOW, MEANS, &request);
    let answer = (response.status_code, sha256(&response.body));
    answers.add("token of a link, original", Ok(answer));
}

/// The same again has no second effect, which `unchanged` looks at.
pub fn is_done(vault: &mut Vault<VectorMemory>, names: &Names, unchanged: &dyn Fn(&str)) {
    if !names.contains_key(LINKS[0].0) {
        return;
    }
    let owner = by(Who::Owner, NOW);
    for (what, byte) in LINKS {
        let made = vault.share_links_create(owner, asked(what, byte, names));
        let opened = vault.share_links_open(by(Who::Subject, NOW), &secret(byte), NONCE);
        if what == "link that was revoked" {
            assert!(matches!(made, Err(Error::Conflict(_))), "{made:?}");
            assert_eq!(opened, Err(Error::NotFound));
        } else {
            assert_eq!(made.expect("the same link").id, names[what]);
            assert_eq!(opened.expect("it works").uses, 2);
        }
        unchanged(what);
    }
    let revoked = &names["link that was revoked"];
    let again = vault.share_links_revoke(owner, &names["capsule"], revoked);
    assert_eq!(again, Ok(()));
    unchanged("share_links_revoke");
}

/// In a capsule that was deleted no link shows anything.
pub fn are_gone(vault: &Vault<VectorMemory>, now: u64) {
    for (_, byte) in LINKS {
        let page = vault.share_links_memories(now, &secret(byte), None, None);
        assert_eq!(page, Err(Error::NotFound));
    }
}
