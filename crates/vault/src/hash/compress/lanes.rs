//! Four 32-bit words side by side: SIMD in the canister, an array elsewhere. Both do the same, and the tests of the hash run on the array; the
//! canister's hashes are compared with its clients' at every upload.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd::Lanes;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use array::Lanes;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd {
    use core::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub fn splat(word: u32) -> Self {
            Lanes(u32x4_splat(word))
        }

        /// The four big-endian words at `at` of each of four blocks: the first result has the first words.
        #[inline(always)]
        pub fn load_transposed(group: &[u8; 256], at: usize) -> [Self; 4] {
            let row = |block: usize| {
                let bytes = &group[64 * block + at..][..16];
                // SAFETY: the slice has the 16 bytes that are read; WebAssembly needs no alignment.
                let words = unsafe { v128_load(bytes.as_ptr().cast()) };
                u8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(words, words)
            };
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let ab_low = u32x4_shuffle::<0, 4, 1, 5>(a, b);
            let ab_high = u32x4_shuffle::<2, 6, 3, 7>(a, b);
            let cd_low = u32x4_shuffle::<0, 4, 1, 5>(c, d);
            let cd_high = u32x4_shuffle::<2, 6, 3, 7>(c, d);
            [
                Lanes(u64x2_shuffle::<0, 2>(ab_low, cd_low)),
                Lanes(u64x2_shuffle::<1, 3>(ab_low, cd_low)),
                Lanes(u64x2_shuffle::<0, 2>(ab_high, cd_high)),
                Lanes(u64x2_shuffle::<1, 3>(ab_high, cd_high)),
            ]
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            Lanes(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        fn rotate_right(self, bits: u32) -> v128 {
            v128_or(u32x4_shr(self.0, bits), u32x4_shl(self.0, 32 - bits))
        }

        #[inline(always)]
        pub fn small_sigma_0(self) -> Self {
            let rotated = v128_xor(self.rotate_right(7), self.rotate_right(18));
            Lanes(v128_xor(rotated, u32x4_shr(self.0, 3)))
        }

        #[inline(always)]
        pub fn small_sigma_1(self) -> Self {
            let rotated = v128_xor(self.rotate_right(17), self.rotate_right(19));
            Lanes(v128_xor(rotated, u32x4_shr(self.0, 10)))
        }

        #[inline(always)]
        pub fn store(self, words: &mut [u32; 256], at: usize) {
            let place = &mut words[at..at + 4];
            // SAFETY: the slice has the 16 bytes that are written; WebAssembly needs no alignment.
            unsafe { v128_store(place.as_mut_ptr().cast(), self.0) }
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod array {
    #[derive(Clone, Copy)]
    pub struct Lanes([u32; 4]);

    impl Lanes {
        #[inline(always)]
        pub fn splat(word: u32) -> Self {
            Lanes([word; 4])
        }

        /// The four big-endian words at `at` of each of four blocks: the first result has the first words.
        #[inline(always)]
        pub fn load_transposed(group: &[u8; 256], at: usize) -> [Self; 4] {
            let word = |block: usize, index: usize| {
                let from = 64 * block + at + 4 * index;
                u32::from_be_bytes([
                    group[from],
                    group[from + 1],
                    group[from + 2],
                    group[from + 3],
                ])
            };
            [0, 1, 2, 3].map(|index| Lanes([0, 1, 2, 3].map(|block| word(block, index))))
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            let [a, b, c, d] = self.0;
            let [e, f, g, h] = other.0;
            Lanes([
                a.wrapping_add(e),
                b.wrapping_add(f),
                c.wrapping_add(g),
                d.wrapping_add(h),
            ])
        }

        #[inline(always)]
        pub fn small_sigma_0(self) -> Self {
            Lanes(
                self.0
                    .map(|x| x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3),
            )
        }

        #[inline(always)]
        pub fn small_sigma_1(self) -> Self {
            Lanes(
                self.0
                    .map(|x| x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10),
            )
        }

        #[inline(always)]
        pub fn store(self, words: &mut [u32; 256], at: usize) {
            words[at..at + 4].copy_from_slice(&self.0);
        }
    }
}
