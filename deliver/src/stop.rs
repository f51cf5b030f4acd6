//! The wish to stop, as signals bring it.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// A flag that stops a delivery before its paste. From the paste on it changes nothing: a delivery is finished, never
/// cut in the middle.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    by: OnceLock<&'static str>,
    rung: Notify,
}

impl Stop {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; `by` names who wants it (`SIGINT`), for the receipt. The first one stays.
    pub fn request(&self, by: &'static str) {
        if self.0.by.set(by).is_ok() {
            self.0.rung.notify_waiters();
        }
    }

    /// Who raised it, if anyone.
    #[must_use]
    pub fn requested(&self) -> Option<&'static str> {
        self.0.by.get().copied()
    }

    /// Resolves when the flag is raised.
    ///
    /// # Cancel safety
    /// May be dropped and called again at any point.
    pub async fn wait(&self) -> &'static str {
        loop {
            let mut rung = std::pin::pin!(self.0.rung.notified());
            // Registered before the look at the flag: a request between the two would be missed otherwise.
            rung.as_mut().enable();
            if let Some(by) = self.requested() {
                return by;
            }
            rung.await;
        }
    }
}
