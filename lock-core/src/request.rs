//! Requests, tickets and leases: what goes to a backend and what comes back.

use std::{fmt, fs::File, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{FencingToken, LockKey, Moment, Owner, Priority, secret::SecretHash};

/// Names one request, also when its answer was lost: made by the client, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a caller asks of a backend. The same request may be sent again after a lost answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Who asks.
    pub owner: Owner,
    /// Before whom.
    pub priority: Priority,
    /// How long a lease may go without renewal; ignored where leases do not expire.
    pub ttl: Duration,
    /// The least token that will do: the highest that this client has seen of the key, plus one.
    pub floor: FencingToken,
    /// Hash of the lease's secret: who knows the secret may inherit the lease.
    pub secret_hash: SecretHash,
    /// The number of an earlier ticket for the key, to stand where that one stood; see [`crate::queue::number`].
    pub number: Option<u64>,
}

/// A place in line: the number says the order of asking.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// For what.
    pub key: LockKey,
    /// Of which request.
    pub request: RequestId,
    /// Issued in the order of asking; a ticket keeps it for life, and its owner may come back with it.
    pub number: u64,
}

/// The right, with its end.
#[derive(Debug, Clone)]
pub struct Lease {
    /// To what.
    pub key: LockKey,
    /// Of which request.
    pub request: RequestId,
    /// Its fencing number.
    pub token: FencingToken,
    /// Whose.
    pub owner: Owner,
    /// The ticket number it was granted for.
    pub ticket: u64,
    /// When the lease ends unless renewed, by this host's clock: the sending of the request + ttl - margin. `None`
    /// where leases do not expire.
    pub deadline: Option<Moment>,
    /// A file whose kernel lock *is* the lease: it holds for as long as any process keeps a copy open. A supervisor
    /// shares it. `None` where no such file exists.
    pub liveness: Option<Arc<File>>,
}

/// The lease that an inheritor works under, as the store has it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParentLease {
    /// Its fencing number.
    pub token: FencingToken,
    /// When it ends unless its holder renews it, by this host's clock: the sending of the question + what was left - margin.
    /// `None` where leases do not expire.
    pub deadline: Option<Moment>,
}

impl ParentLease {
    /// A lease that ends with its holder.
    #[must_use]
    pub const fn without_end(token: FencingToken) -> Self {
        Self { token, deadline: None }
    }
}

/// The answer to `enter`.
#[derive(Debug)]
pub enum Entered {
    /// The lock is ours.
    Granted(Lease),
    /// We stand in line.
    Queued(Ticket, Place),
}

/// The answer to `wait`.
#[derive(Debug)]
pub enum Waited {
    /// The lock is ours.
    Granted(Lease),
    /// Still in line when the time was up, or our place has changed.
    Queued(Place),
}

/// A place in line: `ahead` live tickets go first, the holder aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How many go first.
    pub ahead: usize,
}

/// The answer to `renew`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The new end by this host's clock, `None` where leases do not expire.
    pub deadline: Option<Moment>,
}
