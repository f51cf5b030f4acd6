//! Any desktop as a surface: a driver below, the one protocol above.

use std::fmt;

use lock_core::Permit;

use super::{Desktop, Refusal, protocol};
use crate::{Delivery, JournalEntry, Outcome, Session, Stop, Surface};

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
        Ok(Box::new(DesktopSession { desktop: (self.0)()?, usable: true }))
    }
}

struct DesktopSession {
    desktop: Box<dyn Desktop>,
    usable: bool,
}

impl Session for DesktopSession {
    fn deliver(
        &mut self,
        delivery: &Delivery,
        permit: &Permit<'_>,
        journal: &mut JournalEntry,
        stop: &Stop,
    ) -> Outcome {
        let outcome = protocol::deliver(self.desktop.as_mut(), delivery, permit, journal, stop);
        let code = outcome.reason.as_ref().map(|reason| reason.code.as_ref());
        // What a broken, refusing or grabbed display leaves in the driver is unknown: the next delivery connects anew.
        self.usable = !matches!(code, Some("disconnected" | "no_display" | "grabbed"));
        outcome
    }

    fn is_usable(&self) -> bool {
        self.usable
    }
}
