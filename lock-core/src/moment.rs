//! Moments, and how far they are apart.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A moment on a clock that counts suspend, is never set, and is shared by all processes of a host.
///
/// `CLOCK_BOOTTIME` on Linux; elsewhere the closest clock of the system. Deadlines of leases live on it: a laptop
/// that slept through its lease must not think the lease alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    since_boot_ns: u64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self { since_boot_ns: crate::clock::since_boot_ns() }
    }

    /// Nanoseconds since the host started: comparable between processes of one host.
    #[must_use]
    pub const fn since_boot_ns(self) -> u64 {
        self.since_boot_ns
    }

    /// The moment with this many nanoseconds since the host started.
    #[must_use]
    pub const fn from_since_boot_ns(since_boot_ns: u64) -> Self {
        Self { since_boot_ns }
    }

    /// How long until `self`, zero when it is past.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self - Self::now()
    }

    /// How long since `self`, zero when it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_past(self) -> bool {
        Self::now() >= self
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let span_ns = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self { since_boot_ns: self.since_boot_ns.saturating_add(span_ns) }
    }
}

impl Sub for Moment {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.since_boot_ns.saturating_sub(earlier.since_boot_ns))
    }
}
