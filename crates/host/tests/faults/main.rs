//! What a disk can do to a vault: fail, be full, decay, and lose power in the middle of a write.
//!
//! Child processes run with `shim.c` between them and the disk: this test itself, started again to run one of the tests called
//! `child`, which do nothing otherwise.

#![cfg(target_os = "linux")]

mod damage;
mod disk;
mod ledger;
mod points;
mod power;
mod processes;
mod shim;
#[path = "../support/mod.rs"]
mod support;
