//! The trash, compared.

use std::collections::BTreeMap;

use keepsake_vault::{Error, limits};

use super::Driver;
use crate::model::invalid;

impl Driver {
    /// All pages of what is in a capsule's trash.
    pub(super) fn trashed(&mut self, who: usize, capsule: Option<usize>, real: &str, limit: u32) {
        let mut expected = self.model.memories_trashed((who, self.now), capsule);
        if limit == 0 && expected.is_ok() {
            expected = Err(vec![invalid("limit")]);
        }
        let context = self.context(who);
        let first = (self.vault).memories_trashed(context, real, None, Some(limit));
        let Some((expected, mut page)) = self.agree("memories_trashed", expected, first) else {
            return;
        };
        let mut met = vec![];
        for _ in 0..=expected.len() {
            assert!(
                page.items.len() <= limit as usize,
                "a page that is too long"
            );
            for item in &page.items {
                let id = self.header_in_trash(who, &item.header);
                assert_eq!(item.reclaimed_at, item.trashed_at + limits::TRASH_LIFETIME);
                met.push((id, item.trashed_at));
            }
            let Some(cursor) = page.next_cursor.take() else {
                break;
            };
            let next = (self.vault).memories_trashed(context, real, Some(&cursor), Some(limit));
            page = next.expect("a good cursor");
        }
        assert_eq!(page.next_cursor, None, "a listing that never ends");
        assert!(met.is_sorted_by(|a, b| a.1 >= b.1), "not newest first");
        assert_eq!(met.len(), expected.len(), "in the trash");
        let met: BTreeMap<_, _> = met.into_iter().collect();
        assert_eq!(met, expected.into_iter().collect(), "in the trash");
    }

    /// In as many messages as it takes.
    pub(super) fn trash_empty(&mut self, who: usize, real: &str) -> Result<u32, Error> {
        let context = self.context(who);
        let mut deleted = 0;
        loop {
            let (some, more) = (self.vault).memories_trash_empty_step(context, real, self.now)?;
            deleted += some;
            if !more {
                return Ok(deleted);
            }
        }
    }
}
