//! Who calls, and when: the only things of the outside world that an operation sees.

use candid::Principal;

use crate::error::{Error, Result};

/// One call: its caller, and the time it is executed at in nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub caller: Principal,
    pub now: u64,
}

impl Call {
    /// The caller, who has a name. Who that is as a person is the vault's to say.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, who is nobody.
    pub fn check_named(&self) -> Result<Principal> {
        if self.caller == Principal::anonymous() {
            Err(Error::Unauthorized)
        } else {
            Ok(self.caller)
        }
    }
}
