//! Rows about blobs and upload sessions.

use keepsake_vault::FinishStep;

use super::Rows;
use crate::calls::sha256;
use crate::rules;
use crate::things::{OfSession, On};
use crate::verdict::Verdict;
use crate::world::CHUNKS;

pub fn blobs(rows: &mut Rows) {
    let on = On::Blobs;
    let reads = rules::reads_blob;
    rows.add(("blob_get_meta", ""), on, reads(), |v, c| {
        v.blob_get_meta(c.call, c.id())
    });
    rows.add(("blob_read", ""), on, reads(), |v, c| {
        v.blob_read(c.call, c.id())
    });
    for (what, index) in [("", 0), ("past the end", 9)] {
        rows.add(("blob_read_chunk", what), on, reads(), move |v, c| {
            v.blob_read_chunk(c.call, c.id(), index)
        });
    }
    rows.add(("blob_delete", ""), on, rules::deletes_blob(), |v, c| {
        v.blob_delete(c.call, c.id())
    });
}

pub fn sessions(rows: &mut Rows) {
    let on = On::Sessions;
    let other_bytes = rules::on_session(true, |state| match state {
        OfSession::Begun | OfSession::Complete => Verdict::Ok,
        _ => Verdict::Conflict,
    });
    let row = ("uploads_put_chunk", "other bytes");
    rows.add(row, on, other_bytes, |v, c| {
        v.uploads_put_chunk(c.call, c.thing.number, 1, b"other")
    });
    let again = rules::on_session(true, |state| match state {
        OfSession::Aborted => Verdict::Conflict,
        _ => Verdict::Ok,
    });
    rows.add(("uploads_put_chunk", "again"), on, again, |v, c| {
        v.uploads_put_chunk(c.call, c.thing.number, 0, CHUNKS[0])
    });
    let out_of_range = rules::on_session(true, |_| Verdict::Invalid("chunk_out_of_range".into()));
    let row = ("uploads_put_chunk", "out of range");
    rows.add(row, on, out_of_range, |v, c| {
        v.uploads_put_chunk(c.call, c.thing.number, 2, b"third")
    });
    let finishes = rules::on_session(true, |state| match state {
        OfSession::Begun => Verdict::Invalid("chunk_missing".into()),
        OfSession::Aborted => Verdict::Conflict,
        _ => Verdict::Ok,
    });
    rows.add(("uploads_finish", ""), on, finishes, |v, c| {
        let whole = CHUNKS.concat();
        let len = whole.len() as u64;
        match v.uploads_finish(c.call, c.thing.number, &sha256(&whole), len)? {
            FinishStep::Done(result) => Ok(result),
            FinishStep::HashMore => unreachable!("11 bytes are hashed at once"),
        }
    });
    let opened = || rules::on_session(false, |_| Verdict::Ok);
    rows.add(("uploads_abort", ""), on, opened(), |v, c| {
        v.uploads_abort(c.call, c.thing.number)
    });
    rows.add(("uploads_status", ""), on, opened(), |v, c| {
        v.uploads_status(c.call, c.thing.number)
    });
    rows.add_giving(
        ("uploads_list", ""),
        on,
        rules::lists_session(),
        |v, c| v.uploads_list(c.call),
        |list, c| list.iter().any(|upload| upload.session == c.thing.number),
    );
    rows.add_giving(
        ("sessions_cleanup_expired", ""),
        On::Nothing,
        rules::clears_expired(),
        |v, c| v.uploads_cleanup_expired(c.call),
        |cleared, _| *cleared > 0,
    );
}
