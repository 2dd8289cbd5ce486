//! Reading the state tree: which paths may be asked for, and by whom (specification, "Request: Read state").

use super::authentication::Targets;
use super::backend::Backend;
use super::refusal::Refusal;
use crate::certificate::Label;
use crate::message::{RequestId, RequestInfo};
use candid::Principal;

/// Where a read_state request was sent to: the id in its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Canister(Principal),
    Subnet(Principal),
}

/// The request whose status is asked for, with what is known of it.
pub type AskedRequest = Option<(RequestId, Option<RequestInfo>)>;

/// Decides whether `sender` may read `paths`, and returns the one request whose status they name, if any.
/// What may be read that does not exist is proven absent.
///
/// # Errors
/// 400 for another canister than the one in the URL, for a malformed id and for several request ids; 403 for what belongs to
/// someone else; 404 for paths that nobody may ask for.
pub fn authorize(
    backend: &dyn Backend,
    endpoint: Endpoint,
    sender: Principal,
    targets: &Targets,
    paths: &[Vec<Label>],
) -> Result<AskedRequest, Refusal> {
    let mut asked: Option<RequestId> = None;
    for path in paths {
        let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match (path.as_slice(), endpoint) {
            ([b"time"], _)
            | ([b"api_boundary_nodes"] | [b"api_boundary_nodes", _], _)
            | (
                [
                    b"api_boundary_nodes",
                    _,
                    b"domain" | b"ipv4_address" | b"ipv6_address",
                ],
                _,
            )
            | ([b"subnet"] | [b"subnet", _], _)
            | (
                [
                    b"subnet",
                    _,
                    b"public_key" | b"canister_ranges" | b"node" | b"type",
                ],
                _,
            )
            | ([b"subnet", _, b"node", _] | [b"subnet", _, b"node", _, b"public_key"], _)
            | ([b"canister_ranges"] | [b"canister_ranges", _] | [b"canister_ranges", _, _], _)
            | ([b"subnet", _, b"metrics"], Endpoint::Subnet(_)) => {}
            ([b"canister", id, b"controllers" | b"module_hash"], Endpoint::Canister(canister)) => {
                check_canister(id, canister)?;
                check_targets(targets, canister)?;
            }
            ([b"canister", id, b"metadata", name], Endpoint::Canister(canister)) => {
                check_canister(id, canister)?;
                check_targets(targets, canister)?;
                check_metadata(backend, sender, name)?;
            }
            (
                [b"request_status", id]
                | [
                    b"request_status",
                    id,
                    b"status" | b"reply" | b"reject_code" | b"reject_message" | b"error_code",
                ],
                _,
            ) => {
                let id = RequestId::try_from(*id).map_err(|_| {
                    Refusal::bad_request("A request id in a path must have 32 bytes.")
                })?;
                if asked.is_some_and(|other| other != id) {
                    return Err(Refusal::bad_request(
                        "The paths name more than one request id.",
                    ));
                }
                asked = Some(id);
            }
            _ => {
                return Err(Refusal::not_found(
                    "A requested path does not exist or is not accessible.",
                ));
            }
        }
    }
    let Some(id) = asked else { return Ok(None) };
    let request = backend.request(&id);
    if let Some(request) = &request {
        check_request(request, endpoint, sender, targets)?;
    }
    Ok(Some((id, request)))
}

fn check_canister(id: &[u8], effective: Principal) -> Result<(), Refusal> {
    if id == effective.as_slice() {
        Ok(())
    } else {
        Err(Refusal::bad_request(format!(
            "A path names another canister than the URL, which says {effective}."
        )))
    }
}

fn check_targets(targets: &Targets, canister: Principal) -> Result<(), Refusal> {
    if targets.contains(&canister) {
        Ok(())
    } else {
        Err(Refusal::forbidden(format!(
            "The delegation is not for the canister {canister}."
        )))
    }
}

fn check_metadata(backend: &dyn Backend, sender: Principal, name: &[u8]) -> Result<(), Refusal> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(Refusal::bad_request(
            "The name of a metadata section must be UTF-8.",
        ));
    };
    let state = backend.state();
    let private = state
        .metadata
        .iter()
        .any(|section| section.name == name && !section.public);
    if private && !state.controllers.contains(&sender) {
        return Err(Refusal::forbidden(
            "This metadata section may be read by the canister's controllers only.",
        ));
    }
    Ok(())
}

fn check_request(
    request: &RequestInfo,
    endpoint: Endpoint,
    sender: Principal,
    targets: &Targets,
) -> Result<(), Refusal> {
    if request.sender != sender {
        return Err(Refusal::forbidden(
            "The request's status may be read by its sender only.",
        ));
    }
    let effective = match endpoint {
        Endpoint::Canister(id) | Endpoint::Subnet(id) => id,
    };
    if targets.contains(&request.canister_id) || targets.contains(&effective) {
        Ok(())
    } else {
        Err(Refusal::forbidden(
            "The delegation is not for the canister that the request was sent to.",
        ))
    }
}
