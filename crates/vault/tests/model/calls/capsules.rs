//! How calls about whole capsules are generated.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::capsule;
use super::{Call, OnCapsule, Pick, Piece, Step, Subject, Who};
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

/// Somebody becomes an owner or a controller, begins something, and is one no longer: by the owner's will, or by its own.
pub(super) fn joining() -> impl Strategy<Value = Vec<Step>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (capsule(), 0..PRINCIPALS, flags).prop_map(|(capsule, guest, (owns, leaves, twice))| {
        let whom = Subject::Principal(guest);
        let (joins, parts) = if owns {
            (
                OnCapsule::OwnerAdd { whom },
                OnCapsule::OwnerRemove { whom },
            )
        } else {
            (
                OnCapsule::ControllerAdd { whom },
                OnCapsule::ControllerRemove { whom },
            )
        };
        // What an owner may, and a controller may not.
        let tries = if owns {
            OnCapsule::Status
        } else {
            OnCapsule::Delete
        };
        let by_guest = Who::Number(guest);
        let step = |who, call, twice| Step {
            who,
            call,
            later: 1,
            twice,
        };
        let begin = Call::Begin {
            capsule,
            expected: 1,
            idem: 0,
        };
        let put = Call::Put {
            session: Pick::Nth(0),
            index: 0,
            piece: Piece::Content {
                content: 1,
                from: 0,
                to: 1,
            },
        };
        let about = |about| Call::Capsule { capsule, about };
        let by = if leaves { by_guest } else { Who::Rightful };
        vec![
            step(Who::Rightful, about(joins), twice),
            step(by_guest, begin, false),
            step(by_guest, about(tries), false),
            step(by, about(parts), true),
            step(by_guest, put, false),
            step(by_guest, about(OnCapsule::TrashEmpty), false),
        ]
    })
}
