//! Requests to the gallery, answered and verified; see [`keepsake_fuzz_host::pages`].
#![no_main]

use keepsake_fuzz_heap::Counting;
use keepsake_fuzz_host::pages;

#[global_allocator]
static HEAP: Counting = Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pages::play(data));
