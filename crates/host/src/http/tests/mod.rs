//! Tests of the whole interface over a canister in memory: requests as bytes in, replies as bytes out.

mod calls;
mod forgeries;
mod operation;
mod pages;
mod sockets;
mod support;
