//! Rows about share links: making and ending them, and what they show to whoever has the secret.

use keepsake_api::{ByteBuf, ShareLinkInput, ShareSelection};

use super::{Row, Rows};
use crate::calls::{Cell, sha256};
use crate::people::{DOWNLOAD, SHARE, VIEW};
use crate::rows::assets::served;
use crate::rules::{self, GOVERN};
use crate::things::{OfLink, On};

/// A new link.
fn input(c: &Cell, selection: ShareSelection, allow_download: bool) -> ShareLinkInput {
    ShareLinkInput {
        capsule_id: c.thing.capsule.clone(),
        secret_sha256: ByteBuf::from(sha256(b"new")),
        selection,
        expires_at: None,
        allow_download,
        title: None,
    }
}

pub fn managing(rows: &mut Rows) {
    let governs = rules::in_capsule(GOVERN);
    let whole = ("share_links_create", "to a capsule");
    rows.add(whole, On::Capsules, governs, |v, c| {
        let mut input = input(c, ShareSelection::Capsule, true);
        input.capsule_id = c.id().into();
        v.share_links_create(c.call, input)
    });
    for (what, downloads, needed) in [
        ("to a memory", false, VIEW | SHARE),
        ("to a memory, with downloads", true, VIEW | SHARE | DOWNLOAD),
    ] {
        let rule = rules::on_memory(needed);
        rows.add(
            ("share_links_create", what),
            On::Memories,
            rule,
            move |v, c| {
                let selection = ShareSelection::Memories(vec![c.id().into()]);
                v.share_links_create(c.call, input(c, selection, downloads))
            },
        );
    }
    let lists = rules::links::lists_links();
    rows.add(("share_links_list", ""), On::Capsules, lists, |v, c| {
        v.share_links_list(c.call, c.id())
    });
    let revokes = rules::links::revokes();
    rows.add(("share_links_revoke", ""), On::Links, revokes, |v, c| {
        v.share_links_revoke(c.call, &c.thing.capsule, c.id())
    });
}

pub fn showing(rows: &mut Rows) {
    let on = On::Links;
    let opens = rules::links::holds_secret_and_is_named();
    rows.add(("share_links_open", ""), on, opens, |v, c| {
        v.share_links_open(c.call, &c.thing.secret, b"new")
    });
    let holds = rules::links::holds_secret();
    rows.add(("share_links_memories", ""), on, holds, |v, c| {
        v.share_links_memories(c.call.now, &c.thing.secret, None, None)
    });
    let on = On::Memories;
    let shown = rules::links::shown_by_link(true);
    rows.add(("share_links_memory", ""), on, shown, |v, c| {
        v.share_links_memory(c.call.now, c.world.secret(OfLink::Views), c.id())
    });
    for ended in [
        OfLink::NeverExisted,
        OfLink::OfFormerController,
        OfLink::Expired,
        OfLink::Revoked,
        OfLink::Malformed,
    ] {
        let nothing = rules::links::shown_by_link(false);
        rows.add(("share_links_memory", "ended"), on, nothing, move |v, c| {
            v.share_links_memory(c.call.now, c.world.secret(ended), c.id())
        });
    }
    for (what, link, asset, given) in [
        ("original, with downloads", OfLink::Downloads, 0, true),
        ("original, without", OfLink::Views, 0, false),
        ("thumbnail", OfLink::Views, 1, true),
        ("thumbnail, revoked", OfLink::Revoked, 1, false),
    ] {
        let rule = rules::links::shown_by_link(given);
        rows.add(("share_links_asset", what), on, rule, move |v, c| {
            let secret = c.world.secret(link);
            let asset = &c.thing.assets[asset];
            let range = v.share_links_asset(c.call.now, secret, c.id(), asset, 0, 10)?;
            let mut bytes = Vec::new();
            v.append_shared(&range, &mut bytes);
            Ok(ByteBuf::from(bytes))
        });
    }
    for (asset, what) in [(0, "original, by a link"), (1, "thumbnail, by a link")] {
        rows.0.push(Row {
            method: "http_request",
            what,
            on,
            rule: rules::links::by_token_of_link(),
            call: Box::new(move |v, c| {
                let token = c.world.link_token(c.target, asset);
                served(v, c, asset, Some(token))
            }),
        });
    }
}
