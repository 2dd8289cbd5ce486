//! HTTP requests with CBOR envelopes, raw and structured, at the host's router; see [`keepsake_fuzz_host::requests`].
#![no_main]

use keepsake_fuzz_heap::Counting;
use keepsake_fuzz_host::requests;

#[global_allocator]
static HEAP: Counting = Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| requests::play(data));
