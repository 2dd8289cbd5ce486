//! The compression function of SHA-256 (FIPS 180-4, section 6.2.2), four blocks at a time: their message schedules are computed side by
//! side, in lanes that the compiler turns into SIMD instructions, and so is the change of byte order. The rounds depend on each other and stay
//! scalar. In the canister this takes a fifth off the instructions of hashing, which dominates the cost of storing content; the rest of
//! fewer than four blocks is sha2's work.

use sha2::compress256;

mod lanes;

use lanes::Lanes;

/// Bytes of four blocks.
const GROUP: usize = 4 * 64;

const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Takes whole blocks of 64 bytes into the state; what is left over is not looked at. Outside the canister that is sha2's work, which uses what
/// the processor has for it.
pub fn compress(state: &mut [u32; 8], blocks: &[u8]) {
    if cfg!(target_arch = "wasm32") {
        compress_by_four(state, blocks);
    } else {
        compress_singly(state, blocks);
    }
}

fn compress_by_four(state: &mut [u32; 8], blocks: &[u8]) {
    let (groups, rest) = blocks.as_chunks::<GROUP>();
    for group in groups {
        let schedule = schedule(group);
        rounds::<0>(state, &schedule);
        rounds::<1>(state, &schedule);
        rounds::<2>(state, &schedule);
        rounds::<3>(state, &schedule);
    }
    compress_singly(state, rest);
}

// generic-array 0.14, which sha2 0.10 takes its blocks as, calls itself deprecated in favour of a version that sha2 0.10 does not take.
#[allow(deprecated)]
fn compress_singly(state: &mut [u32; 8], blocks: &[u8]) {
    use sha2::digest::generic_array::GenericArray;
    for block in blocks.chunks_exact(64) {
        compress256(state, std::slice::from_ref(GenericArray::from_slice(block)));
    }
}

/// The message schedules of four blocks, with the round constants added: word `t` of lane `l` is at `4 * t + l`.
#[inline(always)]
fn schedule(group: &[u8; GROUP]) -> [u32; 256] {
    let mut w = [Lanes::splat(0); 16];
    for t in 0..4 {
        let words = Lanes::load_transposed(group, 16 * t);
        w[4 * t..4 * t + 4].copy_from_slice(&words);
    }
    let mut schedule = [0; 256];
    macro_rules! sixteen {
        ($from:expr, $($t:literal)*) => {
            $(
                if $from > 0 {
                    let older = w[$t].add(w[($t + 1) % 16].small_sigma_0());
                    let newer = w[($t + 9) % 16].add(w[($t + 14) % 16].small_sigma_1());
                    w[$t] = older.add(newer);
                }
                w[$t].add(Lanes::splat(K[$from + $t])).store(&mut schedule, 4 * ($from + $t));
            )*
        };
    }
    sixteen!(0, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    sixteen!(16, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    sixteen!(32, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    sixteen!(48, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    schedule
}

/// The 64 rounds of the block in one lane.
#[inline(never)]
fn rounds<const LANE: usize>(state: &mut [u32; 8], schedule: &[u32; 256]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // Majority of a, b, c is b where b and c agree, else a: (a ^ b) of one round is (b ^ c) of the next.
    let mut b_xor_c = b ^ c;
    macro_rules! round {
        ($a:ident, $b:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident, $t:expr) => {
            let a_xor_b = $a ^ $b;
            let t1 = ($e.rotate_right(6) ^ $e.rotate_right(11) ^ $e.rotate_right(25))
                .wrapping_add($g ^ ($e & ($f ^ $g)))
                .wrapping_add($h)
                .wrapping_add(schedule[4 * ($t) + LANE]);
            $d = $d.wrapping_add(t1);
            $h = t1
                .wrapping_add($a.rotate_right(2) ^ $a.rotate_right(13) ^ $a.rotate_right(22))
                .wrapping_add((a_xor_b & b_xor_c) ^ $b);
            b_xor_c = a_xor_b;
        };
    }
    macro_rules! eight_rounds {
        ($t:expr) => {
            round!(a, b, d, e, f, g, h, $t);
            round!(h, a, c, d, e, f, g, $t + 1);
            round!(g, h, b, c, d, e, f, $t + 2);
            round!(f, g, a, b, c, d, e, $t + 3);
            round!(e, f, h, a, b, c, d, $t + 4);
            round!(d, e, g, h, a, b, c, $t + 5);
            round!(c, d, f, g, h, a, b, $t + 6);
            round!(b, c, e, f, g, h, a, $t + 7);
        };
    }
    eight_rounds!(0);
    eight_rounds!(8);
    eight_rounds!(16);
    eight_rounds!(24);
    eight_rounds!(32);
    eight_rounds!(40);
    eight_rounds!(48);
    eight_rounds!(56);
    let _ = b_xor_c;
    for (word, sum) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn four_blocks_at_a_time_give_what_one_at_a_time_gives(
            state: [u32; 8],
            bytes in prop::collection::vec(any::<u8>(), 0..1_500),
        ) {
            let (mut by_four, mut singly) = (state, state);
            compress_by_four(&mut by_four, &bytes);
            compress_singly(&mut singly, &bytes);
            prop_assert_eq!(by_four, singly);
        }
    }
}
