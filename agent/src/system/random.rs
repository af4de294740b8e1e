//! Chance, so that routers with the same settings do not all ask at once. Nothing secret depends on
//! it; from the same seed comes the same row, which is what tests want.

use std::hash::{BuildHasher, Hasher};

/// Steele, Lea, Flood: SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The row that begins with `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// From 0 to `limit` − 1; 0 where there is nothing to choose.
    pub fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = (mixed >> 33) as i64;
        chosen.checked_rem(limit.max(1)).unwrap_or(0)
    }
}

/// Another one at each start: the standard library has it from the kernel, for its maps.
pub fn seed() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
