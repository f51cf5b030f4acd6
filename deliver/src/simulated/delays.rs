//! Seeded delays.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every platform.
#[derive(Debug)]
pub(super) struct Delays(u64);

impl Delays {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next delay, between `from_us` and `to_us` microseconds.
    pub(super) fn next(&mut self, from_us: u64, to_us: u64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Duration::from_micros(from_us + mixed % (to_us - from_us + 1))
    }
}
