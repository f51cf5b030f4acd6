//! Surfaces: ways into agents, each used only under a permit.

use std::time::Duration;

use lock_core::{Moment, Permit};

use crate::{
    Agent, JournalEntry, Message, Outcome, Stop, Waiting,
    desktop::{Hindrance, Refusal},
};

/// One delivery to be made.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What.
    pub message: Message,
    /// To whom.
    pub agent: Agent,
    /// Until when the paste must have been pressed; from then on the profile's timeouts count.
    pub until: Moment,
    /// How long nobody may have used an input device before it.
    pub idle: Duration,
}

/// A way into agents. Shared by all senders of a process.
pub trait Surface: Send + Sync {
    /// Makes ready to deliver, before the lock is asked for: connects, and finds out whether the surface can be used.
    /// Touches no input device. Blocking.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn connect(&self) -> Result<Box<dyn Session>, Refusal>;
}

/// A connected surface, used by one delivery at a time and by many in a row. Blocking.
pub trait Session: Send {
    /// Delivers under the lock. Asks `permit` right before each act, writes its intents to `journal` before the paste and
    /// before Enter, and looks at `stop` up to the paste. Tries nothing twice.
    fn deliver(&mut self, delivery: &Delivery, permit: &Permit<'_>, journal: &mut JournalEntry, stop: &Stop)
    -> Outcome;

    /// Whom what was in the way of the last delivery hinders, where that typed nothing and the hindrance passes by itself.
    /// On surfaces where nothing does: `None`.
    fn hindrance(&self) -> Option<Hindrance> {
        None
    }

    /// Waits until it makes sense to try the last delivery again, without the lock and without touching anything.
    ///
    /// # Errors
    /// What is in the way still, when `waiting` is to end; or why that cannot be told.
    fn await_passed(&mut self, waiting: &Waiting) -> Result<(), Refusal> {
        let _nothing_to_wait_for = waiting;
        Ok(())
    }

    /// Whether the session can deliver again. A broken one is replaced by a new connection.
    fn is_usable(&self) -> bool;
}
