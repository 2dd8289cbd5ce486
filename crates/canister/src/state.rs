//! The one vault of this canister, and how endpoints reach it.

use std::cell::RefCell;

use ic_stable_structures::DefaultMemoryImpl;
use keepsake_api::Error;
use keepsake_vault::{Call, Means, Vault};

pub type StableVault = Vault<DefaultMemoryImpl>;

thread_local! {
    /// Opened by `init` and `post_upgrade`, which run before any other message.
    static VAULT: RefCell<Option<StableVault>> = const { RefCell::new(None) };
}

/// Opens the vault in stable memory.
///
/// Traps where stable memory holds a layout that this build does not know: the installation or upgrade is refused with
/// that message, and what is there stays as it is (I8).
pub fn open() {
    match Vault::open(DefaultMemoryImpl::default()) {
        Ok(vault) => VAULT.with_borrow_mut(|slot| *slot = Some(vault)),
        Err(error) => ic_cdk::trap(format!("the vault cannot be opened: {error}")),
    }
}

pub fn read<T>(operation: impl FnOnce(&StableVault) -> T) -> T {
    VAULT.with_borrow(|slot| match slot {
        Some(vault) => operation(vault),
        None => ic_cdk::trap("the vault is not open"),
    })
}

/// The vault to change; it knows what there is to live on.
pub fn write<T>(operation: impl FnOnce(&mut StableVault) -> T) -> T {
    VAULT.with_borrow_mut(|slot| match slot {
        Some(vault) => {
            vault.set_means(means());
            operation(vault)
        }
        None => ic_cdk::trap("the vault is not open"),
    })
}

/// The message being executed.
pub fn call() -> Call {
    Call {
        caller: ic_cdk::api::msg_caller(),
        now: ic_cdk::api::time(),
    }
}

/// Whether the caller controls the canister.
pub fn is_operator() -> bool {
    ic_cdk::api::is_controller(&ic_cdk::api::msg_caller())
}

/// What the canister has to live on now.
pub fn means() -> Means {
    Means {
        balance: ic_cdk::api::canister_cycle_balance(),
        liquid: ic_cdk::api::canister_liquid_cycle_balance(),
        heap: heap_bytes(),
    }
}

#[cfg(target_arch = "wasm32")]
fn heap_bytes() -> u64 {
    const PAGE: u64 = 65_536;
    core::arch::wasm32::memory_size(0) as u64 * PAGE
}

/// A canister is wasm; elsewhere there is none, and no heap of its own.
#[cfg(not(target_arch = "wasm32"))]
fn heap_bytes() -> u64 {
    0
}

/// Draws the random seed, if there is none yet, for a caller who has a name.
///
/// # Errors
/// [`Error::Unauthorized`] for the anonymous caller; as [`ensure_seed`].
pub async fn ensure_seed_for(call: Call) -> Result<(), Error> {
    call.check_named()?;
    ensure_seed().await
}

/// Draws the random seed if the vault has none yet: once in a vault's life, right after installation.
///
/// # Errors
/// [`Error::Internal`] where the system gives no randomness; the call can be sent again.
pub async fn ensure_seed() -> Result<(), Error> {
    if !read(StableVault::needs_seed) {
        return Ok(());
    }
    let random = ic_cdk_management_canister::raw_rand()
        .await
        .map_err(|error| Error::Internal(format!("no random seed yet, try again: {error}")))?;
    let seed: [u8; 32] = random
        .try_into()
        .map_err(|_| Error::Internal("raw_rand did not return 32 bytes".into()))?;
    write(|vault| vault.set_seed(seed));
    Ok(())
}

/// Ends this message and goes on in a new one, with a new instruction limit.
///
/// # Errors
/// [`Error::Internal`] where the canister cannot call itself, as when it is being stopped; the call can be sent again.
pub async fn next_message() -> Result<(), Error> {
    ic_cdk::call::Call::unbounded_wait(ic_cdk::api::canister_self(), "whoami")
        .await
        .map(|_| ())
        .map_err(|error| Error::Internal(format!("interrupted, try again: {error}")))
}
