//! What the vault's fuzz targets share: a table of every method with its decoder and its operation, a vault with everything in it, and
//! Candid values of any type out of the fuzzer's bytes.

pub mod methods;
pub mod session;
pub mod values;
pub mod world;
