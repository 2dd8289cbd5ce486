//! Rows about single assets, and about access tokens, which open them.

use keepsake_api::AssetType;

use super::{Row, Rows, V};
use crate::calls::{Cell, blob_input, inline_input};
use crate::people::{DOWNLOAD, MANAGE, VIEW};
use crate::rules::{self, USE};
use crate::things::{OfBlob, OfMemory, On};
use crate::verdict::{Answer, Verdict, judged, refusal};
use crate::world::{MEANS, NOW};

pub fn adding(rows: &mut Rows) {
    let on = On::Memories;
    let manages = || rules::on_memory(MANAGE);
    let inline = ("memories_add_inline_asset", "");
    rows.add(inline, on, manages(), |v, c| {
        let input = inline_input(b"new", AssetType::Placeholder);
        v.memories_add_inline_asset(c.call, c.id(), input, "new")
    });
    let several = ("memories_add_assets", "inline");
    rows.add(several, on, manages(), |v, c| {
        let small = vec![inline_input(b"new", AssetType::Placeholder)];
        v.memories_add_assets(c.call, c.id(), vec![], small, "new")
    });
    // Who manages one memory does not reach content of others through it.
    let by_readers = rules::on_memory_then(MANAGE, |role, _| match rules::part(role) >= USE {
        true => Verdict::Ok,
        false => Verdict::Invalid("blob_mismatch".into()),
    });
    let unreferenced = ("memories_add_asset", "of an unreferenced blob");
    rows.add(unreferenced, on, by_readers, |v, c| {
        let blob = blob_input(c.world.blob(OfBlob::Unreferenced), AssetType::Display);
        v.memories_add_asset(c.call, c.id(), blob, "new")
    });

    let on = On::Blobs;
    let of_blob = ("memories_add_asset", "of a blob");
    rows.add(of_blob, on, rules::adds_blob(), |v, c| {
        let memory = &c.world.memory(OfMemory::Inline).id;
        let blob = blob_input(c.id(), AssetType::Thumbnail);
        v.memories_add_asset(c.call, memory, blob, "new")
    });
    let of_blob = ("memories_add_assets", "of a blob");
    rows.add(of_blob, on, rules::adds_blob(), |v, c| {
        let memory = &c.world.memory(OfMemory::Inline).id;
        let blobs = vec![blob_input(c.id(), AssetType::Thumbnail)];
        let small = vec![inline_input(b"new", AssetType::Thumbnail)];
        v.memories_add_assets(c.call, memory, blobs, small, "new")
    });
}

pub fn removing(rows: &mut Rows) {
    let on = On::Memories;
    let manages = || rules::on_memory(MANAGE);
    type Name = fn(&Cell) -> String;
    let named: [(&str, Name); 2] = [
        ("by id", |c| c.thing.assets[0].clone()),
        ("by place", |_| "0".into()),
    ];
    for (what, name) in named {
        rows.add_giving(
            ("asset_remove", what),
            on,
            manages(),
            move |v, c| v.asset_remove(c.call, c.id(), &name(c)),
            |result, _| result.asset_removed,
        );
    }
    rows.add_giving(
        ("asset_remove", "no such"),
        on,
        rules::removes(|_| false),
        |v, c| v.asset_remove(c.call, c.id(), "no such asset"),
        |result, _| result.asset_removed,
    );
    rows.add(("asset_remove_by_id", ""), on, manages(), |v, c| {
        v.asset_remove_by_id(c.call, c.id(), &c.thing.assets[1])
    });
    let none = rules::on_memory_then(MANAGE, |_, _| Verdict::NotFound);
    rows.add(("asset_remove_by_id", "no such"), on, none, |v, c| {
        let other = &c.world.memory(OfMemory::NeverExisted).assets[0];
        v.asset_remove_by_id(c.call, c.id(), other)
    });
    rows.add_giving(
        ("asset_remove_inline", ""),
        on,
        rules::removes(rules::is_inline),
        |v, c| v.asset_remove_inline(c.call, c.id(), 0),
        |result, _| result.asset_removed,
    );
    rows.add_giving(
        ("asset_remove_internal", ""),
        on,
        rules::removes(rules::is_internal),
        |v, c| v.asset_remove_internal(c.call, c.id(), &c.thing.blobs[0]),
        |result, _| result.asset_removed,
    );
    rows.add_giving(
        ("asset_remove_external", ""),
        on,
        rules::removes(rules::is_external),
        |v, c| v.asset_remove_external(c.call, c.id(), &c.thing.storage_key),
        |result, _| result.asset_removed,
    );
    let all = ("memories_cleanup_assets_all", "");
    rows.add(all, on, manages(), |v, c| {
        v.memories_cleanup_assets_all(c.call, c.id())
    });
    // One id, judged by itself: it is under `ok`, or under `failed` with its error.
    rows.0.push(Row {
        method: "memories_cleanup_assets_bulk",
        what: "",
        on,
        rule: manages(),
        call: Box::new(|v, c| {
            let result = v.memories_cleanup_assets_bulk(c.call, vec![c.id().to_owned()]);
            let failure = result.as_ref().ok().and_then(|result| {
                let failure = result.failed.first()?;
                Some(refusal(&failure.err))
            });
            let mut answer = judged(result, |_| true);
            answer.verdict = failure.unwrap_or(answer.verdict);
            answer
        }),
    });
}

pub fn tokens(rows: &mut Rows) {
    let on = On::Memories;
    let which = [
        (0, "original", "original, by id", VIEW | DOWNLOAD),
        (1, "thumbnail", "thumbnail, by id", VIEW),
    ];
    for (asset, what, by_id, needed) in which {
        let variants = move || [what.to_owned()];
        let rule = || rules::on_memory(needed);
        rows.add(("mint_http_token", what), on, rule(), move |v, c| {
            v.mint_http_token(c.call, c.id(), &variants(), None, 0)
        });
        rows.add(("mint_http_token", by_id), on, rule(), move |v, c| {
            let assets = [c.thing.assets[asset].clone()];
            v.mint_http_token(c.call, c.id(), &variants(), Some(&assets), 60)
        });
        rows.add_giving(
            ("mint_http_tokens_bulk", what),
            on,
            rules::left_out(needed),
            move |v, c| {
                let ids = vec![c.id().to_owned()];
                v.mint_http_tokens_bulk(c.call, ids, &variants(), None, 0)
            },
            |tokens, _| !tokens.is_empty(),
        );
        rows.0.push(Row {
            method: "http_request",
            what,
            on,
            rule: rules::by_token(needed),
            call: Box::new(move |v, c| {
                let token = c.world.token(c.role, c.target, asset);
                served(v, c, asset, token)
            }),
        });
    }
    rows.0.push(Row {
        method: "http_request",
        what: "without a token",
        on,
        rule: rules::always(Verdict::Status(401)),
        call: Box::new(|v, c| served(v, c, 1, None)),
    });
}

pub fn served(v: &V, c: &Cell, asset: usize, token: Option<&str>) -> Answer {
    let response = v.http_request(NOW, MEANS, &c.request(asset, token));
    Answer {
        verdict: Verdict::Status(response.status_code),
        bytes: candid::encode_one(&response).expect("every answer can be encoded"),
    }
}
