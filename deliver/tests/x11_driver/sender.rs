//! A sender by the whole protocol, with journal and lock.

use std::sync::Arc;

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, Profile, Receipt, SendOptions, SurfaceKind,
    desktop::{Desktop, DesktopSurface, Place, Refusal},
};
use lock_core::{LockKey, ThreadLock};

use crate::desk::DEADLINE;

/// It sends one message after the other.
pub(crate) struct Sender {
    deliverer: Deliverer,
    runtime: tokio::runtime::Runtime,
    _root: tempfile::TempDir,
}

impl Sender {
    /// By the driver that `connect` makes.
    pub(crate) fn by(connect: impl Fn() -> Result<Box<dyn Desktop>, Refusal> + Send + Sync + 'static) -> Self {
        let root = tempfile::tempdir().unwrap();
        let name = LockKey::new("desktop/sender").unwrap();
        let journal = Journal::open(root.path(), &name).unwrap();
        let surface = Arc::new(DesktopSurface::new(connect));
        let deliverer = Deliverer::new(DesktopLocks::alone(Arc::new(ThreadLock::new()), name), surface, journal);
        Self { deliverer, runtime: tokio::runtime::Runtime::new().unwrap(), _root: root }
    }

    pub(crate) fn send(&self, name: &str, place: Place, profile: &Profile, text: &str) -> Receipt {
        let agent = Agent { name: name.into(), surface: SurfaceKind::Desktop, place, profile: profile.clone() };
        let (message, _) = Message::new(text).unwrap();
        let options = SendOptions { timeout: DEADLINE, ..SendOptions::default() };
        self.runtime.block_on(self.deliverer.send(&message, &agent, &options)).unwrap()
    }
}
