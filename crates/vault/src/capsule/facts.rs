//! What a capsule knows that access conditions and groups depend on.

use keepsake_api::AccessEvent;

use crate::access::{CapsuleFacts, PersonKey};

/// A capsule in which no event was recorded and which has no groups: every capsule, until there are calls that record events
/// and keep groups. Entries that depend on either do not count.
pub struct NothingRecorded;

impl CapsuleFacts for NothingRecorded {
    fn recorded(&self, _: &AccessEvent) -> bool {
        false
    }

    fn is_member(&self, _: &str, _: PersonKey) -> bool {
        false
    }
}
