//! Mistakes that are made on purpose, to show that they would be found.

use std::cell::Cell;

/// Each stands for one line of lock-core that is missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Who waits for a loss is registered only after its look at the flag.
    RegistersLate,
    /// The heartbeat is not called when an earlier beat is added.
    HeartbeatIsNotCalled,
    /// A loss is forgotten by every second look.
    LossIsForgotten,
    /// A release that has to wait is not carried on by anybody.
    ReleaseIsDropped,
    /// A request whose caller is gone is not withdrawn.
    NothingIsWithdrawn,
    /// The deadline counts from the answer, and not from the sending of the request.
    DeadlineFromAnswer,
    /// A lease is released twice.
    ReleasesTwice,
}

thread_local! {
    /// Shuttle runs all tasks of a test on the test's own thread.
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}

impl Mistake {
    /// Makes this mistake from now on, on this thread.
    pub(crate) fn make(self) {
        MADE.set(Some(self));
    }

    pub(crate) fn is_made(self) -> bool {
        MADE.get() == Some(self)
    }
}
