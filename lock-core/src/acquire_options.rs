//! How to acquire, and what holds where nothing is said.

use std::time::Duration;

use crate::{HeldLeases, Lease, LockKey, Observer, Priority};

/// Default wait for a lock.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Default lease on backends where leases expire: long against a renewal's round trip, short against a person's patience.
pub const TTL_DEFAULT: Duration = Duration::from_secs(10);
/// Stands for "no timeout": longer than any host is up, and far from overflow.
const NO_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How to acquire.
#[derive(Debug, Clone)]
pub struct AcquireOptions {
    pub(crate) priority: Priority,
    pub(crate) timeout: Duration,
    pub(crate) timeout_setting: &'static str,
    pub(crate) ttl: Duration,
    pub(crate) label: String,
    pub(crate) held: HeldLeases,
    pub(crate) observer: Option<Observer>,
    /// Places in line, and the keys that they are for: that of an inner gate where the lease was inherited.
    pub(crate) places: Vec<(LockKey, u64)>,
}

impl Default for AcquireOptions {
    fn default() -> Self {
        Self {
            priority: Priority::default(),
            timeout: TIMEOUT_DEFAULT,
            timeout_setting: "the timeout",
            ttl: TTL_DEFAULT,
            label: String::new(),
            held: HeldLeases::default(),
            observer: None,
            places: Vec::new(),
        }
    }
}

impl AcquireOptions {
    /// Before whom; `normal` unless set.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// How long to wait at most; 30 s unless set. Zero: do not wait.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(NO_TIMEOUT);
        self
    }

    /// Waits for as long as it takes.
    #[must_use]
    pub fn without_timeout(self) -> Self {
        self.timeout(NO_TIMEOUT)
    }

    /// How the caller's users call the setting behind the timeout, for the error that tells them to raise it.
    #[must_use]
    pub fn timeout_setting(mut self, name: &'static str) -> Self {
        self.timeout_setting = name;
        self
    }

    /// How long the lease may go without renewal where leases expire; 10 s unless set.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Who the process speaks for.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// Leases that this process may work under.
    #[must_use]
    pub fn held(mut self, held: HeldLeases) -> Self {
        self.held = held;
        self
    }

    /// Who hears the events.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Comes back: stands in line where the ticket of `lease` stood, before all later ones of its priority. For who gives
    /// a lease back, lets others go on, and wants it again.
    ///
    /// Release the lease first, and wait for the release. While its number is in use it cannot be had, and the request
    /// stands at the end under a new one; [`Lease::ticket`](crate::Lease) of the new lease tells. Aging starts anew. Call it
    /// once for each lease of a [`Stack`](crate::Stack).
    #[must_use]
    pub fn place_of(mut self, lease: &Lease) -> Self {
        self.places.push((lease.key.clone(), lease.ticket));
        self
    }
}
