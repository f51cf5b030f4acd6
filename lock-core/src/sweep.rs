//! The bounded safety sweep: how often a waiter looks for itself, should a wake-up have been lost.

use std::time::Duration;

/// Backoff of the sweep: the seed's 0.1 s, times 1.5, at most 2 s. Configurable, never off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// The first pause.
    pub first: Duration,
    /// Each pause is this many times the one before.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), factor: 1.5, max: Duration::from_secs(2) }
    }
}

impl Sweep {
    /// An hour away, for tests: whoever is granted the lock was woken.
    #[cfg(feature = "conformance")]
    #[must_use]
    pub const fn out_of_reach() -> Self {
        let hour = Duration::from_secs(3600);
        Self { first: hour, factor: 1.0, max: hour }
    }

    /// The pauses of one wait, without end.
    pub fn pauses(self) -> impl Iterator<Item = Duration> + Send {
        let later = move |pause: &Duration| Some(pause.mul_f64(self.factor.max(1.0)).min(self.max));
        std::iter::successors(Some(self.first.min(self.max)), later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_the_seeds() {
        let pauses: Vec<u128> = Sweep::default().pauses().take(10).map(|p| p.as_millis()).collect();
        assert_eq!(pauses, [100, 150, 225, 337, 506, 759, 1139, 1708, 2000, 2000]);
    }
}
