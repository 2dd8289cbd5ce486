//! Calls about share links.

use keepsake_client::api::{ByteBuf, ShareLinkInput, ShareSelection};
use keepsake_tests::content::sha256;

use crate::world::{Builder, FRIEND, OWNER};

/// A secret that only one link has.
fn secret(n: u8) -> ByteBuf {
    ByteBuf::from(vec![n; 32])
}

fn link(capsule: &str, n: u8, selection: ShareSelection) -> ShareLinkInput {
    ShareLinkInput {
        capsule_id: capsule.to_owned(),
        secret_sha256: ByteBuf::from(sha256(&secret(n)).to_vec()),
        selection,
        expires_at: None,
        allow_download: true,
        title: Some("t".repeat(200)),
    }
}

pub(super) fn share_links(b: &mut Builder, capsule: &str) {
    let memories: Vec<String> = (0..150).map(|_| b.note(capsule, 10)).collect();
    let some = || ShareSelection::Memories(memories.clone());
    for (n, what, selection) in [
        (1, "to a capsule", ShareSelection::Capsule),
        (2, "to memories", some()),
    ] {
        b.scenario(
            OWNER,
            "share_links_create",
            what,
            (link(capsule, n, selection),),
            |vault, call, (link,)| vault.share_links_create(call, link),
        );
    }
    let by = b.by(OWNER);
    let used = b.vault.share_links_create(by, link(capsule, 3, some()));
    used.expect("a link");
    b.scenario(
        FRIEND,
        "share_links_open",
        "a first use",
        (secret(3), ByteBuf::from(b"nonce".to_vec())),
        |vault, call, (secret, nonce)| vault.share_links_open(call, &secret, &nonce),
    );
    let revoked = b.vault.share_links_create(by, link(capsule, 4, some()));
    let revoked = revoked.expect("a link").id;
    b.scenario(
        OWNER,
        "share_links_revoke",
        "one to memories",
        (capsule.to_owned(), revoked),
        |vault, call, (capsule, link)| vault.share_links_revoke(call, &capsule, &link),
    );
    b.probe(OWNER, "share_links_list", (capsule,));
    for n in 1..=4 {
        let first = (secret(n), None::<String>, Some(2u32));
        b.probe(FRIEND, "share_links_memories", first);
    }
}
