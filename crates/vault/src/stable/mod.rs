//! Stable memory as the stores see it: regions that grow independently, and the encodings of keys and records.
//!
//! Carries I1 (all state in stable memory, nothing rebuilt at an upgrade) and the part of I2 that concerns
//! memory: an operation reserves what it may need before its first write, so that nothing can run out half way.

mod codec;
mod region_manager;

pub use codec::{Key, Record};
pub use region_manager::{OutOfMemory, Region, RegionManager, UnknownLayout};

#[cfg(test)]
mod tests;
