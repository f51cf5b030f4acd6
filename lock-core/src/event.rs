//! Events: what a lock did for one acquisition, as it happens.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Error, FencingToken, LockKey, LossReason, Place};

/// The target of those `tracing` events, at the level of warnings, that a user must be told of also where nothing is logged. Each
/// is one sentence.
pub const NOTICE: &str = "talkstick::notice";

/// One thing that happened to an acquisition or its lease.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LockEvent {
    /// The store was asked.
    Requested {
        /// For what.
        key: LockKey,
    },
    /// We stand in line, or our place changed.
    Queued {
        /// For what.
        key: LockKey,
        /// Our ticket's number.
        ticket: u64,
        /// Where.
        place: Place,
    },
    /// A `TALKSTICK_HELD` entry gave no right: its lease is over, or the secret is not the lease's.
    HeldIsStale {
        /// For what.
        key: LockKey,
    },
    /// The lock is ours.
    Granted {
        /// Which.
        key: LockKey,
        /// The lease's fencing number.
        token: FencingToken,
        /// Our ticket's number.
        ticket: u64,
        /// How long it took.
        waited: Duration,
    },
    /// The store confirmed the lease.
    Renewed {
        /// Which.
        key: LockKey,
        /// The lease.
        token: FencingToken,
    },
    /// The store could not be asked whether the lease holds: it is unknown, and asked again.
    Unconfirmed {
        /// Which.
        key: LockKey,
        /// The lease.
        token: FencingToken,
        /// What came instead of an answer.
        error: Error,
    },
    /// The lease ended before we let go.
    Lost {
        /// Which.
        key: LockKey,
        /// The lease.
        token: FencingToken,
        /// How.
        reason: LossReason,
    },
    /// We let go.
    Released {
        /// Which.
        key: LockKey,
        /// The lease.
        token: FencingToken,
        /// How long it was held.
        held: Duration,
    },
}

/// Hears the events of the acquisitions it is given to; called in place, so it must be quick.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&LockEvent) + Send + Sync>);

impl Observer {
    /// An observer that calls `hear`.
    pub fn new(hear: impl Fn(&LockEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Logs an event and tells it to the observer, if there is one.
pub(crate) fn emit(observer: Option<&Observer>, event: LockEvent) {
    tracing::debug!(?event, "lock");
    if let Some(Observer(hear)) = observer {
        hear(&event);
    }
}
