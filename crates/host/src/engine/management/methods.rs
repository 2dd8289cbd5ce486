//! Which methods the management canister has here, and who may call them.

use super::refused;
use crate::message::Reject;
use crate::settings::{Settings, Visibility};
use candid::Principal;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    RawRand,
    CanisterStatus,
    UpdateSettings,
    StartCanister,
    StopCanister,
    InstallCode,
    InstallChunkedCode,
    UploadChunk,
    StoredChunks,
    ClearChunkStore,
    TakeSnapshot,
    LoadSnapshot,
    ListSnapshots,
    DeleteSnapshot,
    ReadSnapshotMetadata,
    ReadSnapshotData,
    UploadSnapshotMetadata,
    UploadSnapshotData,
    FetchLogs,
}

/// Who calls, which decides what there is to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// By an update call from outside.
    Ingress(Principal),
    /// By a query call from outside.
    Query(Principal),
    /// The canister that runs here.
    Canister(Principal),
}

impl Caller {
    pub fn principal(self) -> Principal {
        match self {
            Caller::Ingress(caller) | Caller::Query(caller) | Caller::Canister(caller) => caller,
        }
    }
}

const METHODS: [(&str, Method); 19] = [
    ("raw_rand", Method::RawRand),
    ("canister_status", Method::CanisterStatus),
    ("update_settings", Method::UpdateSettings),
    ("start_canister", Method::StartCanister),
    ("stop_canister", Method::StopCanister),
    ("install_code", Method::InstallCode),
    ("install_chunked_code", Method::InstallChunkedCode),
    ("upload_chunk", Method::UploadChunk),
    ("stored_chunks", Method::StoredChunks),
    ("clear_chunk_store", Method::ClearChunkStore),
    ("take_canister_snapshot", Method::TakeSnapshot),
    ("load_canister_snapshot", Method::LoadSnapshot),
    ("list_canister_snapshots", Method::ListSnapshots),
    ("delete_canister_snapshot", Method::DeleteSnapshot),
    (
        "read_canister_snapshot_metadata",
        Method::ReadSnapshotMetadata,
    ),
    ("read_canister_snapshot_data", Method::ReadSnapshotData),
    (
        "upload_canister_snapshot_metadata",
        Method::UploadSnapshotMetadata,
    ),
    ("upload_canister_snapshot_data", Method::UploadSnapshotData),
    ("fetch_canister_logs", Method::FetchLogs),
];

/// Methods of the specification that would make or remove canisters.
const OTHER_CANISTERS: [&str; 5] = [
    "create_canister",
    "provisional_create_canister_with_cycles",
    "delete_canister",
    "uninstall_code",
    "list_canisters",
];

impl Method {
    /// Whether `who` may call it of a canister with these settings. The canister itself may ask for its status.
    fn is_open_to(self, caller: Caller, settings: &Settings) -> bool {
        let who = caller.principal();
        match self {
            Method::RawRand => true,
            Method::CanisterStatus => {
                matches!(caller, Caller::Canister(_))
                    || settings.may_see(&settings.status_visibility, &who)
            }
            Method::FetchLogs => settings.may_see(&settings.log_visibility, &who),
            Method::ListSnapshots | Method::ReadSnapshotMetadata | Method::ReadSnapshotData => {
                settings.may_see(&settings.snapshot_visibility, &who)
            }
            _ => settings.may_see(&Visibility::Controllers, &who),
        }
    }

    /// Whether it can be called in this way at all.
    fn takes(self, caller: Caller) -> bool {
        match caller {
            Caller::Ingress(_) => !matches!(self, Method::RawRand | Method::FetchLogs),
            Caller::Query(_) => matches!(
                self,
                Method::FetchLogs | Method::CanisterStatus | Method::ListSnapshots
            ),
            Caller::Canister(_) => self != Method::FetchLogs,
        }
    }
}

/// The method called `name`, if the caller may call it.
///
/// # Errors
/// CanisterReject where there is no such method (`IC0407`) and for what is refused to everybody or in this way (`IC0406`), and CanisterError
/// (`IC0512`) for whoever is not a controller.
pub fn allow(name: &str, caller: Caller, settings: &Settings) -> Result<Method, Reject> {
    let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name) else {
        if OTHER_CANISTERS.contains(&name) {
            return Err(refused(
                "IC0406",
                format!("{name}: this host is the home of one canister, which stays"),
            ));
        }
        return Err(refused(
            "IC0407",
            format!("Management canister has no method '{name}'"),
        ));
    };
    if !method.takes(caller) {
        return Err(refused(
            "IC0406",
            format!("the management canister's method '{name}' cannot be called in this way"),
        ));
    }
    if !method.is_open_to(caller, settings) {
        return Err(refused(
            "IC0512",
            format!(
                "Only controllers of the canister can call '{name}', and {} is none",
                caller.principal()
            ),
        ));
    }
    Ok(*method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_call_what() {
        let [owner, viewer, other, itself] =
            [1, 2, 3, 4].map(|n| Principal::self_authenticating([n]));
        let settings = Settings {
            controllers: vec![owner],
            snapshot_visibility: Visibility::Viewers(vec![viewer]),
            status_visibility: Visibility::Public,
            ..Settings::default()
        };
        let allowed = |name, caller| allow(name, caller, &settings).is_ok();
        for (name, _) in METHODS {
            let by_ingress = !matches!(name, "raw_rand" | "fetch_canister_logs");
            assert_eq!(allowed(name, Caller::Ingress(owner)), by_ingress, "{name}");
            let reads = matches!(
                name,
                "list_canister_snapshots"
                    | "read_canister_snapshot_metadata"
                    | "read_canister_snapshot_data"
            );
            let status = name == "canister_status";
            assert_eq!(allowed(name, Caller::Ingress(viewer)), reads || status);
            assert_eq!(allowed(name, Caller::Ingress(other)), status, "{name}");
        }
        assert!(allowed("fetch_canister_logs", Caller::Query(owner)));
        assert!(!allowed("fetch_canister_logs", Caller::Query(other)));
        assert!(allowed("raw_rand", Caller::Canister(itself)));
        assert!(!allowed("install_code", Caller::Canister(itself)));
        for name in OTHER_CANISTERS {
            assert!(!allowed(name, Caller::Ingress(owner)), "{name}");
        }
    }
}
