//! Any desktop as a surface: a driver below, the one protocol above.

use std::{fmt, time::Duration};

use lock_core::Permit;

use super::{
    Desktop, Hindrance, Refusal,
    protocol::{self, Hindered},
};
use crate::{Delivery, JournalEntry, MessageId, Outcome, Session, Stop, Surface, Waiting};

type Connect = dyn Fn() -> Result<Box<dyn Desktop>, Refusal> + Send + Sync;

/// The surface of one desktop, reached by its driver.
pub struct DesktopSurface(Box<Connect>);

impl DesktopSurface {
    /// The surface whose sessions `connect` makes.
    pub fn new(connect: impl Fn() -> Result<Box<dyn Desktop>, Refusal> + Send + Sync + 'static) -> Self {
        Self(Box::new(connect))
    }
}

impl fmt::Debug for DesktopSurface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DesktopSurface")
    }
}

impl Surface for DesktopSurface {
    fn connect(&self) -> Result<Box<dyn Session>, Refusal> {
        Ok(Box::new(DesktopSession { desktop: (self.0)()?, usable: true, hindered: None }))
    }
}

struct DesktopSession {
    desktop: Box<dyn Desktop>,
    usable: bool,
    /// What was in the way of the last delivery.
    hindered: Option<Last>,
}

struct Last {
    id: MessageId,
    idle: Duration,
    hindered: Hindered,
}

impl Session for DesktopSession {
    fn deliver(
        &mut self,
        delivery: &Delivery,
        permit: &Permit<'_>,
        journal: &mut JournalEntry,
        stop: &Stop,
    ) -> Outcome {
        let id = delivery.message.id();
        let last = self.hindered.take().filter(|last| last.id == *id);
        let before = last.map(|last| last.hindered);
        let (outcome, hindered) =
            protocol::deliver(self.desktop.as_mut(), delivery, permit, journal, stop, before.as_ref());
        let bound = before.and_then(|before| before.target);
        // Whoever was in the way before anything was bound leaves what was bound before.
        let hindered = hindered.map(|hindered| Hindered { target: hindered.target.or(bound), ..hindered });
        self.hindered = hindered.map(|hindered| Last { id: id.clone(), idle: delivery.idle, hindered });
        let code = outcome.reason.as_ref().map(|reason| reason.code.as_ref());
        // What a broken or refusing display leaves in the driver is unknown, and so is what a held server does: the next
        // delivery connects anew.
        let held = code == Some("grabbed") && self.hindered.is_none();
        self.usable = !held && !matches!(code, Some("disconnected" | "no_display"));
        outcome
    }

    fn hindrance(&self) -> Option<Hindrance> {
        self.hindered.as_ref().filter(|_| self.usable).map(|last| last.hindered.hindrance)
    }

    fn await_passed(&mut self, waiting: &Waiting) -> Result<(), Refusal> {
        let Some(Last { idle, hindered, .. }) = &self.hindered else { return Ok(()) };
        waiting.tell(&hindered.refusal);
        protocol::await_passed(self.desktop.as_mut(), hindered, *idle, waiting)
    }

    fn is_usable(&self) -> bool {
        self.usable
    }
}
