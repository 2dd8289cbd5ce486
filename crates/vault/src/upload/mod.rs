//! Uploads: content that arrives in chunks, in any order, over any number of messages, and becomes a blob, complete, or not
//! at all. Each chunk is written once, at its final place, and hashed as soon as all chunks before it are there (I4), so that
//! finishing has little left to do and moves nothing.

mod expiry;
mod finish;
mod operations;
mod put_blob;
mod record;
mod status;
mod store;

pub use finish::FinishStep;
#[cfg(any(test, feature = "recount"))]
pub use record::SessionState;
#[cfg(any(test, feature = "recount"))]
pub use record::{Announced, Progress, SessionRecord};
pub use store::SessionStore;

#[cfg(test)]
mod tests;
