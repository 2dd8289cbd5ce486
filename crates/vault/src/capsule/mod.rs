//! Capsules: a person's space, with a subject, owners and controllers.

mod delete;
mod facts;
mod operations;
mod people;
mod quota;
mod record;
mod sharing;
mod store;

#[cfg(any(test, feature = "recount"))]
pub use facts::GroupRecord;
pub use facts::{FactStore, GroupKey};
pub use record::CapsuleUsage;
#[cfg(any(test, feature = "recount"))]
pub use record::{CapsuleRecord, ControllerRecord, OwnerRecord};
pub use store::{CapsuleStore, Standing};

#[cfg(test)]
mod people_tests;
#[cfg(test)]
mod tests;
