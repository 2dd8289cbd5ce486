//! Endpoints of capsules.

use keepsake_api::*;

use crate::reply::Reply;
use crate::state::{call, ensure_seed_for, read, write};

/// Without a subject: the caller's own capsule, created at the first call and returned at every later one. With one: a new
/// capsule about that person, owned by the caller. The answer's `memories` are empty; `memories_list` reads them.
/// Errors: InvalidArgument for a subject that is nobody; ResourceExhausted where the caller has made 1,000 capsules.
#[ic_cdk::update(manual_reply = true)]
async fn capsules_create(subject: Option<PersonRef>) -> Reply<Result<Capsule, Error>> {
    let call = call();
    Reply::send(match ensure_seed_for(call).await {
        Ok(()) => write(|vault| vault.capsules_create(call, subject)).map_err(Error::from),
        Err(error) => Err(error),
    })
}

/// A capsule that the caller owns, controls or is the subject of; without an id, the caller's own.
/// Errors: NotFound, also where the caller may not know that it exists.
#[ic_cdk::query(manual_reply = true)]
fn capsules_read_basic(capsule: Option<String>) -> Reply<Result<CapsuleInfo, Error>> {
    Reply::of(read(|vault| {
        vault.capsules_read_basic(call(), capsule.as_deref())
    }))
}

/// A capsule with its newest memories, at most 100 and as many as fit a reply; without an id, the caller's own. `memories_list` reaches
/// all of them.
#[ic_cdk::query(manual_reply = true)]
fn capsules_read_full(capsule: Option<String>) -> Reply<Result<Capsule, Error>> {
    Reply::of(read(|vault| {
        vault.capsules_read_full(call(), capsule.as_deref())
    }))
}

/// Changes what a client may set of a capsule; returns it, without memories. For owners and controllers.
#[ic_cdk::update(manual_reply = true)]
fn capsules_update(capsule: String, update: CapsuleUpdateData) -> Reply<Result<Capsule, Error>> {
    Reply::of(write(|vault| {
        vault.capsules_update(call(), &capsule, update)
    }))
}

/// Every capsule that the caller owns, controls or is the subject of, at most 1,000: the governed ones first. Where there are more, all that
/// the caller made are among them.
#[ic_cdk::query(manual_reply = true)]
fn capsules_list() -> Reply<Vec<CapsuleHeader>> {
    Reply::send(read(|vault| vault.capsules_list(call())))
}

/// Deletes a capsule with everything in it. It is gone at once, and its space is freed in bounded steps. Again: Ok. For owners.
#[ic_cdk::update(manual_reply = true)]
fn capsules_delete(capsule: String) -> Reply<Result<(), Error>> {
    let result = write(|vault| vault.capsules_delete(call(), &capsule));
    if result.is_ok() {
        crate::lifecycle::sweep_soon();
    }
    Reply::of(result)
}

/// Records that an event has happened: access entries that wait for it count from now on. It cannot be taken back. For owners.
#[ic_cdk::update(manual_reply = true)]
fn capsule_event_record(capsule: String, event: AccessEvent) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.capsule_event_record(call(), &capsule, &event)
    }))
}

/// Makes a connection group of at most 200 members, or replaces the one with this id; access entries for the group (`grant_source = Group`,
/// `source_id` = the id) count for its members at once. At most 100 groups a capsule. For owners and controllers.
#[ic_cdk::update(manual_reply = true)]
fn connection_group_put(
    capsule: String,
    id: String,
    name: String,
    description: Option<String>,
    members: Vec<PersonRef>,
) -> Reply<Result<ConnectionGroup, Error>> {
    Reply::of(write(|vault| {
        vault.connection_group_put(call(), &capsule, &id, &name, description, members)
    }))
}

/// Removes a connection group: entries for it count for nobody any more. Again: Ok. For owners and controllers.
#[ic_cdk::update(manual_reply = true)]
fn connection_group_remove(capsule: String, id: String) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.connection_group_remove(call(), &capsule, &id)
    }))
}

/// Makes somebody an owner, who may do everything, the deletion of the capsule included. At most 32. Again: Ok. For owners.
#[ic_cdk::update(manual_reply = true)]
fn capsule_owner_add(capsule: String, owner: PersonRef) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.capsule_owner_add(call(), &capsule, owner)
    }))
}

/// Takes somebody, the caller too, out of the owners. Again: Ok. Conflict where no owner would be left who is a principal. For owners.
#[ic_cdk::update(manual_reply = true)]
fn capsule_owner_remove(capsule: String, owner: PersonRef) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.capsule_owner_remove(call(), &capsule, owner)
    }))
}

/// Makes somebody a controller, who may do everything but delete the capsule and say who owns and controls it. At most 32. Again: Ok. For
/// owners.
#[ic_cdk::update(manual_reply = true)]
fn capsule_controller_add(capsule: String, controller: PersonRef) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.capsule_controller_add(call(), &capsule, controller)
    }))
}

/// Takes somebody out of the controllers. Again: Ok. For owners, and for a controller to take itself out.
#[ic_cdk::update(manual_reply = true)]
fn capsule_controller_remove(capsule: String, controller: PersonRef) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.capsule_controller_remove(call(), &capsule, controller)
    }))
}
