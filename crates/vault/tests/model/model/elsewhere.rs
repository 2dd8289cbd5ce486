//! External content that no asset of a capsule has any more, as the contract says: clients delete it and acknowledge.

use super::{Answer, Model, Place, Refusal, only};
use crate::pools::ANONYMOUS;

/// Where external content is: its location by name, and its storage key.
pub type Address = (String, String);

impl Place {
    pub fn address(&self) -> Option<Address> {
        match self {
            Place::External { location, key, .. } => Some((format!("{location:?}"), key.clone())),
            _ => None,
        }
    }
}

impl Model {
    pub fn is_used(&self, capsule: usize, address: &Address) -> bool {
        let mut places = self.assets_of(capsule).map(|asset| asset.place.address());
        places.any(|place| place.as_ref() == Some(address))
    }

    /// The capsule whose list the caller reads: a former owner, too, after the capsule's deletion.
    fn cleaned_up(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        match capsule {
            Some(deleted) if who != ANONYMOUS && self.capsules[deleted].deleted => {
                if self.owned_it(who, deleted) {
                    Ok(deleted)
                } else {
                    only(Refusal::NotFound)
                }
            }
            _ => self.governed(who, capsule),
        }
    }

    pub fn external_deletions_list(
        &self,
        who: usize,
        capsule: Option<usize>,
    ) -> Answer<Vec<(Address, u64)>> {
        let capsule = self.cleaned_up(who, capsule)?;
        Ok(self.capsules[capsule]
            .to_delete
            .clone()
            .into_iter()
            .collect())
    }

    /// How many were on the list.
    pub fn external_deletions_acknowledge(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        done: &[Address],
    ) -> Answer<u32> {
        let capsule = self.cleaned_up(who, capsule)?;
        let list = &mut self.capsules[capsule].to_delete;
        let before = list.len();
        list.retain(|address, _| !done.contains(address));
        Ok((before - list.len()) as u32)
    }
}
