//! Raw arguments of every method, by several callers, on a vault with something of everything in it; see [`keepsake_fuzz_vault::session`].
#![no_main]

use keepsake_fuzz_heap::Counting;
use keepsake_fuzz_vault::session;

#[global_allocator]
static HEAP: Counting = Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| session::play(data));
