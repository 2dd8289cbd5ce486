//! How calls about whole capsules are generated.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::capsule;
use super::{Call, OnCapsule, Subject};
use crate::pools::{ANONYMOUS, EVENTS, GROUPS, PRINCIPALS};

/// Mostly somebody; now and then nobody.
fn anybody() -> impl Strategy<Value = Subject> {
    prop_oneof![
        20 => (0..PRINCIPALS).prop_map(Subject::Principal),
        4 => Just(Subject::Opaque("grandmother")),
        1 => Just(Subject::Principal(ANONYMOUS)),
        1 => select(vec!["", "a person's name that is longer than it may be"]).prop_map(Subject::Opaque),
    ]
}

fn on_capsule() -> impl Strategy<Value = OnCapsule> {
    let group = || prop_oneof![12 => 0..GROUPS.len() - 1, 1 => Just(GROUPS.len() - 1)];
    let name = prop_oneof![12 => select(vec!["Family", "Those from school"]), 1 => Just("")];
    prop_oneof![
        4 => option::of(any::<bool>()).prop_map(|bound_to_neon| OnCapsule::Update { bound_to_neon }),
        2 => anybody().prop_map(|whom| OnCapsule::OwnerAdd { whom }),
        3 => anybody().prop_map(|whom| OnCapsule::OwnerRemove { whom }),
        3 => anybody().prop_map(|whom| OnCapsule::ControllerAdd { whom }),
        3 => anybody().prop_map(|whom| OnCapsule::ControllerRemove { whom }),
        5 => Just(OnCapsule::Status),
        1 => Just(OnCapsule::Delete),
        4 => prop_oneof![8 => 1..4u32, 1 => Just(0)].prop_map(|limit| OnCapsule::Trashed { limit }),
        1 => Just(OnCapsule::TrashEmpty),
        1 => any::<bool>().prop_map(|delete_assets| OnCapsule::DeleteAll { delete_assets }),
        4 => (0..EVENTS.len()).prop_map(|event| OnCapsule::Event { event }),
        8 => (group(), name, vec(anybody(), 0..3))
            .prop_map(|(group, name, members)| OnCapsule::GroupPut { group, name, members }),
        2 => group().prop_map(|group| OnCapsule::GroupRemove { group }),
        6 => Just(OnCapsule::ExternalDeletions),
        4 => (vec(0..3usize, 0..3), any::<bool>())
            .prop_map(|(which, unknown)| OnCapsule::Acknowledge { which, unknown }),
    ]
}

pub(super) fn capsules() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => option::of(anybody()).prop_map(|subject| Call::CapsulesCreate { subject }),
        3 => option::of(capsule()).prop_map(|capsule| Call::CapsulesReadBasic { capsule }),
        2 => option::of(capsule()).prop_map(|capsule| Call::CapsulesReadFull { capsule }),
        2 => Just(Call::CapsulesList),
        14 => (capsule(), on_capsule()).prop_map(|(capsule, about)| Call::Capsule { capsule, about }),
    ]
}
