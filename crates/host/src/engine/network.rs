//! The network that this home is: known before the canister is started, which may ask for it in its first message.

use crate::crypto::root_key::RootKey;
use crate::runtime::Network;
use crate::store::Folder;
use std::sync::{Arc, OnceLock};

/// The name of the root key's secret in the state folder.
pub(crate) const ROOT: &str = "root";

/// What the canister is told: by the root key in the state folder, which is made there the first time. Not set where that key cannot be used,
/// which is reported when the state is to be certified with it.
pub(super) fn of(folder: &Folder) -> Arc<OnceLock<Network>> {
    let network = Arc::new(OnceLock::new());
    let secret = folder.secret(ROOT, || RootKey::generate_secret().to_vec());
    if let Some(key) = secret
        .ok()
        .and_then(|secret| RootKey::from_secret(&secret).ok())
    {
        network.get_or_init(|| Network {
            subnet_id: key.subnet_id(),
            root_key: key.der().to_vec(),
        });
    }
    network
}
