//! What a capsule holds already of what is to be brought into it.
//!
//! A memory is there where its portable form is. One that was edited on either side is found by its key; several that are
//! alike are paired one to one, so that two copies stay two.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    ArchiveError,
    export::portable_memory,
    portable::{Key, Portable},
    values::Hash,
};
use crate::Vault;

/// Memories of a page of the listing.
const PAGE: u32 = 100;

/// Memories read side by side.
const READS: usize = 16;

/// What is looked for.
pub(super) struct Sought {
    pub digest: Hash,
    pub key: Key,
    /// In nanoseconds; where it is carried.
    created_at: Option<u64>,
}

impl Sought {
    pub fn of(portable: &Portable) -> Result<Self, ArchiveError> {
        Ok(Sought {
            digest: portable.digest()?,
            key: portable.key(),
            created_at: portable.memory.created_at.map(|at| at.0),
        })
    }
}

/// What there is of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there, as it is.
    Same(String),
    /// It is there, and differs.
    Differs(String),
    /// It is not; so many equal ones come before it.
    New(usize),
}

/// For each memory that is sought what there is of it, and the capsule's memories that none of them is.
///
/// # Errors
/// What keeps the vault from answering.
pub(super) async fn compare(
    vault: &Vault,
    capsule_id: &str,
    sought: &[Sought],
) -> Result<(Vec<Found>, Vec<String>), ArchiveError> {
    let times: HashSet<u64> = sought.iter().filter_map(|s| s.created_at).collect();
    // Of a memory with content kept elsewhere no header tells what it might be: its time of creation is not carried.
    let untimed = sought.iter().any(|s| s.created_at.is_none());
    let mut all = Vec::new();
    let mut candidates = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(capsule_id, cursor.as_deref(), Some(PAGE))
            .await?;
        for header in page.items {
            all.push(header.id.clone());
            if untimed || times.contains(&header.created_at) {
                candidates.push(header.id);
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut there: Vec<(String, Hash, Key)> = stream::iter(candidates)
        .map(|id| async move {
            let Some((portable, _, _)) = portable_memory(vault, &id).await? else {
                return Ok(None);
            };
            Ok::<_, ArchiveError>(Some((id, portable.digest()?, portable.key())))
        })
        .buffer_unordered(READS)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await?;
    there.sort();
    let (found, taken) = pair(sought, &there);
    all.retain(|id| !taken.contains(id.as_str()));
    Ok((found, all))
}

/// Pairs what is sought with what is there: equals first, then those with one key.
fn pair<'a>(sought: &[Sought], there: &'a [(String, Hash, Key)]) -> (Vec<Found>, HashSet<&'a str>) {
    let mut by_digest: HashMap<Hash, Vec<&str>> = HashMap::new();
    for (id, digest, _) in there.iter().rev() {
        by_digest.entry(*digest).or_default().push(id);
    }
    let mut taken: HashSet<&str> = HashSet::new();
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    for (at, sought) in sought.iter().enumerate() {
        if let Some(id) = by_digest.get_mut(&sought.digest).and_then(Vec::pop) {
            taken.insert(id);
            found.insert(at, Found::Same(id.to_owned()));
        }
    }
    let mut by_key: HashMap<Key, Vec<&str>> = HashMap::new();
    for (id, _, key) in there.iter().rev() {
        if !taken.contains(id.as_str()) {
            by_key.entry(*key).or_default().push(id);
        }
    }
    let mut equals: HashMap<Hash, usize> = HashMap::new();
    for (at, sought) in sought.iter().enumerate() {
        let before = equals.entry(sought.digest).or_default();
        let number = *before;
        *before += 1;
        if found.contains_key(&at) {
            continue;
        }
        let one = match by_key.get_mut(&sought.key).and_then(Vec::pop) {
            Some(id) => {
                taken.insert(id);
                Found::Differs(id.to_owned())
            }
            None => Found::New(number),
        };
        found.insert(at, one);
    }
    (found.into_values().collect(), taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(digest: u8, key: u8) -> Sought {
        Sought {
            digest: Hash([digest; 32]),
            key: Key([key; 32]),
            created_at: None,
        }
    }

    fn there(id: &str, digest: u8, key: u8) -> (String, Hash, Key) {
        (id.to_owned(), Hash([digest; 32]), Key([key; 32]))
    }

    #[test]
    fn copies_stay_as_many_as_they_are() {
        let wanted = [sought(1, 1), sought(1, 1), sought(2, 1), sought(3, 3)];
        let one = [there("a", 1, 1)];
        let (found, taken) = pair(&wanted, &one);
        assert_eq!(
            found,
            [
                Found::Same("a".into()),
                Found::New(1),
                Found::New(0),
                Found::New(0)
            ]
        );
        assert_eq!(taken.len(), 1);
        let held = [there("a", 2, 1), there("b", 9, 1), there("c", 9, 9)];
        let (found, taken) = pair(&wanted, &held);
        assert_eq!(
            found,
            [
                Found::Differs("b".into()),
                Found::New(1),
                Found::Same("a".into()),
                Found::New(0)
            ]
        );
        assert!(!taken.contains("c"));
    }
}
