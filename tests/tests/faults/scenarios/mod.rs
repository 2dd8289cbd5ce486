//! A call of every update method that has something to do, each with what it needs: made right before the call that needs it, so that
//! they can be called one after the other, or each alone.

mod giving;
mod links;
mod people;
mod taking;

use keepsake_client::api::{
    AccessCondition, AccessEntry, AssetMetadata, BlobHosting, BlobRef, ByteBuf, GrantSource,
    PersonRef, ResourceRole,
};
use keepsake_vault::{NewMemory, limits};

use crate::world::{Builder, FRIEND, LATE, NEWCOMER, OPERATOR, OWNER, World};
use giving::{adding, creating, sharing, uploading};
use links::share_links;
use people::{owners_and_controllers, people, people_and_capsules};
use taking::{deleting, deleting_a_capsule, single_assets, trash};

/// Nanoseconds after the world is made when the one session expires that is to expire, where that is waited for: longer than the canisters
/// take to start, whose first sweep would clear it away.
const EXPIRES_AFTER: u64 = 30_000_000_000;

/// The arguments of `memories_create`, in their order.
type Create = (
    String,
    Option<ByteBuf>,
    Option<BlobRef>,
    Option<BlobHosting>,
    Option<String>,
    Option<String>,
    Option<u64>,
    Option<ByteBuf>,
    AssetMetadata,
    String,
);

pub fn arguments(new: NewMemory) -> Create {
    (
        new.capsule,
        new.inline,
        new.blob,
        new.location,
        new.storage_key,
        new.url,
        new.size,
        new.sha256,
        new.metadata,
        new.idem,
    )
}

fn new_memory(arguments: Create) -> NewMemory {
    let (capsule, inline, blob, location, storage_key, url, size, sha256, metadata, idem) =
        arguments;
    NewMemory {
        capsule,
        inline,
        blob,
        location,
        storage_key,
        url,
        size,
        sha256,
        metadata,
        idem,
    }
}

pub fn entry(id: &str, to: Option<PersonRef>) -> AccessEntry {
    AccessEntry {
        id: id.to_owned(),
        is_public: to.is_none(),
        person_ref: to,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: 0,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

/// A vault in which every call has something to do, with these calls; and the time from which the call has that clears expired sessions
/// away, so many nanoseconds from now.
pub fn furnished(expires_after: u64) -> (Builder, u64) {
    let mut b = Builder::new();
    // What an upload that began a lifetime ago has left, almost.
    let made = b.now;
    b.now = made + expires_after - limits::SESSION_LIFETIME;
    let left = b.capsule(LATE, None);
    b.session_of(LATE, &left, 2, &[(1, b"expires")]);
    b.now = made;
    let capsule = b.capsule(OWNER, None);

    people_and_capsules(&mut b, &capsule);
    owners_and_controllers(&mut b, &capsule);
    people(&mut b);
    b.scenario(
        OPERATOR,
        "http_token_key_rotate",
        "the first key",
        (0u32,),
        |vault, call, (number,)| vault.http_token_key_rotate(call, true, number),
    );
    creating(&mut b, &capsule);
    adding(&mut b, &capsule);
    sharing(&mut b, &capsule);
    share_links(&mut b, &capsule);
    uploading(&mut b, &capsule);
    single_assets(&mut b, &capsule);
    trash(&mut b, &capsule);
    deleting(&mut b, &capsule);
    probes(&mut b, &capsule);
    // What has to wait comes late, and what leaves work to be done by itself comes last.
    b.scenario(
        LATE,
        "sessions_cleanup_expired",
        "one has expired",
        (),
        |vault, call, ()| vault.uploads_cleanup_expired(call),
    );
    deleting_a_capsule(&mut b);
    (b, made + expires_after + 1)
}

/// The world in which every call has something to do.
pub fn world() -> World {
    let (b, expired_at) = furnished(EXPIRES_AFTER);
    b.world(expired_at)
}

/// The same without room for anything in its stable memory. Nothing expires in it.
pub fn full_world() -> World {
    let (mut b, _) = furnished(limits::SESSION_LIFETIME);
    b.fill();
    b.world(0)
}

/// The calls of [`furnished`], for a vault in which nothing of what they name is there.
pub fn nothing_there() -> World {
    let scenarios = furnished(0).0.scenarios;
    let mut b = Builder::new();
    b.probe(OWNER, "capsules_list", ());
    b.probe(OWNER, "uploads_list", ());
    b.scenarios = scenarios;
    b.world(0)
}

/// What shows all that has not been named yet.
fn probes(b: &mut Builder, capsule: &str) {
    for who in [OWNER, FRIEND, NEWCOMER] {
        b.probe(who, "capsules_list", ());
        b.probe(who, "uploads_list", ());
        b.probe(
            who,
            "memories_shared_with_me",
            (None::<String>, Some(100u32)),
        );
    }
    b.probe(OWNER, "upload_config", ());
    b.probe(OWNER, "sessions_stats", ());
    b.probe(OWNER, "capsules_read_full", (None::<String>,));
    b.probe(OWNER, "external_deletions_list", (capsule,));
    b.probe(
        OWNER,
        "memories_list",
        (capsule, None::<String>, Some(100u32)),
    );
}
