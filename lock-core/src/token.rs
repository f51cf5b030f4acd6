//! Fencing tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The fencing number of a lease. Tokens of one key grow strictly, for ever.
///
/// They are public: a resource that remembers the highest token it has seen can refuse a holder whose lease has
/// ended (Kleppmann, "How to do distributed locking", 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

impl FencingToken {
    /// The next token after `last`: `max(last + 1, floor, store_clock)`.
    ///
    /// `floor` is the highest token the client has seen plus one; it survives the loss of the store's data. So does
    /// the store's clock in microseconds, unless it is behind too.
    #[must_use]
    pub fn next(last: Self, floor: Self, store_clock_us: u64) -> Self {
        Self(last.0.saturating_add(1).max(floor.0).max(store_clock_us))
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::FencingToken as T;

    #[test]
    fn grows_after_the_store_lost_its_data_or_its_clock_went_back() {
        assert_eq!(T::next(T(9), T(0), 5), T(10), "clock behind");
        assert_eq!(T::next(T(0), T(41), 5), T(41), "data lost, client remembers");
        assert_eq!(T::next(T(0), T(0), 77), T(77), "data lost, clock runs");
    }
}
