//! Calls about capsules and people: who there is, and who may do what.

use keepsake_client::api::{AccessEvent, CapsuleUpdateData, PersonRef};

use crate::world::{Builder, FRIEND, NEWCOMER, OWNER, person, principal};

pub(super) fn people_and_capsules(b: &mut Builder, capsule: &str) {
    let subject = |b: &mut Builder, who, what, subject: Option<PersonRef>| {
        b.scenario(
            who,
            "capsules_create",
            what,
            (subject,),
            |vault, call, (subject,)| vault.capsules_create(call, subject),
        );
    };
    subject(b, NEWCOMER, "the own one", None);
    subject(b, OWNER, "the own one, again", None);
    let grandmother = PersonRef::Opaque("grandmother".into());
    subject(b, OWNER, "about somebody", Some(grandmother));

    let update = CapsuleUpdateData {
        bound_to_neon: Some(true),
    };
    b.scenario(
        OWNER,
        "capsules_update",
        "a setting",
        (capsule.to_owned(), update),
        |vault, call, (capsule, update)| vault.capsules_update(call, &capsule, update),
    );
    b.scenario(
        OWNER,
        "capsule_event_record",
        "a new one",
        (capsule.to_owned(), AccessEvent::Graduation),
        |vault, call, (capsule, event)| vault.capsule_event_record(call, &capsule, &event),
    );
    let put = |b: &mut Builder, what, id: &str, members: Vec<PersonRef>| {
        let args = (
            capsule.to_owned(),
            id.to_owned(),
            "Name".to_owned(),
            Some("described".to_owned()),
            members,
        );
        b.scenario(
            OWNER,
            "connection_group_put",
            what,
            args,
            |vault, call, (capsule, id, name, description, members)| {
                vault.connection_group_put(call, &capsule, &id, &name, description, members)
            },
        );
    };
    for id in ["old", "left"] {
        let by = b.by(OWNER);
        let members = vec![person(FRIEND)];
        let made = b
            .vault
            .connection_group_put(by, capsule, id, "Name", None, members);
        made.expect("a group");
    }
    let members: Vec<PersonRef> = (0..20)
        .map(|n| PersonRef::Opaque(format!("member {n}")))
        .collect();
    put(b, "a new one", "new", members.clone());
    put(b, "other members", "old", members);
    b.scenario(
        OWNER,
        "connection_group_remove",
        "one that is there",
        (capsule.to_owned(), "left".to_owned()),
        |vault, call, (capsule, id)| vault.connection_group_remove(call, &capsule, &id),
    );
}

pub(super) fn owners_and_controllers(b: &mut Builder, capsule: &str) {
    let by = b.by(OWNER);
    let gone = |name: &str| PersonRef::Opaque(name.to_owned());
    let added = b
        .vault
        .capsule_owner_add(by, capsule, gone("former owner"))
        .and_then(|()| {
            b.vault
                .capsule_controller_add(by, capsule, gone("former controller"))
        });
    added.expect("the owner may");
    let change = |b: &mut Builder, method, who: PersonRef| {
        b.scenario(
            OWNER,
            method,
            "somebody",
            (capsule.to_owned(), who),
            move |vault, call, (capsule, who)| match method {
                "capsule_owner_add" => vault.capsule_owner_add(call, &capsule, who),
                "capsule_owner_remove" => vault.capsule_owner_remove(call, &capsule, who),
                "capsule_controller_add" => vault.capsule_controller_add(call, &capsule, who),
                _ => vault.capsule_controller_remove(call, &capsule, who),
            },
        );
    };
    change(b, "capsule_owner_add", person("another owner"));
    change(b, "capsule_owner_remove", gone("former owner"));
    change(b, "capsule_controller_add", person("another controller"));
    change(b, "capsule_controller_remove", gone("former controller"));
}

/// Several principals that are one person. None of them is named elsewhere.
pub(super) fn people(b: &mut Builder) {
    const PHONE: &str = "phone";
    const LAPTOP: &str = "laptop";
    let (phone, laptop, lost) = (principal(PHONE), principal(LAPTOP), principal("lost phone"));
    for who in [PHONE, LAPTOP] {
        b.capsule(who, None);
        b.probe(who, "person_read", ());
        b.probe(who, "capsules_list", ());
    }
    let (by, by_lost) = (b.by(LAPTOP), b.by("lost phone"));
    let linked = b
        .vault
        .person_link_offer(by, lost)
        .and_then(|()| b.vault.person_link_accept(by_lost, laptop));
    linked.expect("both consent");
    let change = |b: &mut Builder, who, method, whom| {
        b.scenario(
            who,
            method,
            "another principal",
            (whom,),
            move |vault, call, (whom,)| match method {
                "person_link_offer" => vault.person_link_offer(call, whom),
                "person_link_accept" => vault.person_link_accept(call, whom),
                _ => vault.person_unlink(call, whom),
            },
        );
    };
    // Each call finds what it needs also where it is the only one.
    let offered = b.vault.person_link_offer(by, phone);
    offered.expect("anybody may offer");
    change(b, LAPTOP, "person_link_offer", principal("tablet"));
    change(b, PHONE, "person_link_accept", laptop);
    change(b, LAPTOP, "person_unlink", lost);
}
