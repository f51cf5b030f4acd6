//! One ticket, and the last lease, as their rows have them.

use lock_core::{FencingToken, Owner, Priority, RequestId, SecretHash, queue::Standing, turn::InLine};

/// One ticket as the line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ticket: u64,
    pub(crate) request: RequestId,
    /// Names the file that its process keeps locked.
    pub(crate) process: u64,
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) since_us: u64,
    pub(crate) passed: u32,
    pub(crate) priority: Priority,
    pub(crate) rest: Rest,
}

/// Whether a ticket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is.
    Awake = 0,
    /// Its process left a free lock lying, for whatever reason: not until it says itself that it is awake.
    Asleep = 1,
    /// The same, and its process was seen stopped: not until it runs again.
    Stopped = 2,
}

/// The last lease of a key, and what lasts for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) last_token: FencingToken,
    pub(crate) last_ticket: u64,
    pub(crate) request: RequestId,
    /// Names the file whose lock is the lease; 0 where there was none yet.
    pub(crate) baton: u64,
    pub(crate) ticket: u64,
    pub(crate) secret: SecretHash,
    pub(crate) since_us: u64,
    pub(crate) owner: Owner,
    pub(crate) broken: bool,
}

impl InLine for Entry {
    fn standing(&self) -> Standing {
        Standing { ticket: self.ticket, priority: self.priority, passed: self.passed }
    }

    fn process(&self) -> u64 {
        self.process
    }

    fn is_awake(&self) -> bool {
        self.rest == Rest::Awake
    }
}
