//! Who calls, and when: the only things of the outside world that an operation sees.

use candid::Principal;

use crate::access::PersonKey;
use crate::error::{Error, Result};

/// One call: its caller, and the time it is executed at in nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub caller: Principal,
    pub now: u64,
}

impl Call {
    /// The caller as a person.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, who is nobody. Every operation but `whoami` and `upload_config` starts
    /// here, queries too (I6).
    pub fn person(&self) -> Result<PersonKey> {
        if self.caller == Principal::anonymous() {
            Err(Error::Unauthorized)
        } else {
            Ok(PersonKey::of_principal(self.caller))
        }
    }
}
