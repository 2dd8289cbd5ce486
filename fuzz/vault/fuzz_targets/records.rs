//! The decoders of stored records on any bytes. A record that does not decode is an error, never a panic: the stores turn it into the trap
//! that rolls a message back, on purpose (`Record::decode`), and what is under test is the fallible layer beneath. What does decode is
//! written by this build in a way that it reads as the same record, and takes memory in proportion to its bytes.
//!
//! The first byte is the kind of record.
#![no_main]

use keepsake_fuzz_heap::{Counting, peak_of};
use keepsake_vault::decoders;

#[global_allocator]
static HEAP: Counting = Counting;

/// What decoding may take of the heap: so much for each byte, and so much in any case. A list of empty texts has a byte and 24 an item, three
/// times over while it grows.
const HEAP_PER_BYTE: usize = 256;
const LEAST: usize = 4_096;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let decoder = &decoders::ALL[usize::from(*kind) % decoders::ALL.len()];
    let (decoded, peak) = peak_of(|| (decoder.again)(bytes));
    let most = LEAST + HEAP_PER_BYTE * bytes.len();
    assert!(
        peak <= most,
        "{}: {peak} bytes of heap for {}",
        decoder.name,
        bytes.len()
    );
    if let Ok(written) = decoded {
        let again = (decoder.again)(&written);
        assert_eq!(
            again.as_ref(),
            Ok(&written),
            "{} is read otherwise than it was written",
            decoder.name
        );
    }
});
