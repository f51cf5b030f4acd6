//! The one line that a wait prints: for whom, since when, which place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deliver::{PostponedObserver, desktop::Refusal};
use lock_core::{DistributedLock, HeldLeases, Holder, KeyState, LockEvent, LockKey, Observer, Place, background};

use crate::ui::Talk;

/// Says that an inherited list cannot be read, wholly or in part: whoever set it expects to work under a lease.
pub(crate) fn warn_of_malformed(held: &HeldLeases, talk: Talk) {
    if held.malformed() > 0 {
        let variable = crate::env_vars::HELD;
        talk.warn(&format!("{variable} cannot be read and gives no right; waiting in line instead (or unset it)"));
    }
}

/// An observer that says once per acquisition for whom it waits, and that an inherited lease gave no right.
pub(crate) fn announce(lock: &Arc<dyn DistributedLock>, talk: Talk) -> Observer {
    let announcer = Announcer::new(lock, talk);
    Observer::new(move |event| announcer.hear(event))
}

/// An observer that says why a delivery is postponed, and until when.
pub(crate) fn announce_postponed(talk: Talk, idle: Duration) -> PostponedObserver {
    PostponedObserver::new(move |refusal| {
        let until = match refusal {
            Refusal::Person { .. } => format!("; going on after {} without a touch", crate::args::show_span(idle)),
            _ => "; going on when it has passed".to_owned(),
        };
        talk.say(&format!("waiting: {refusal}{until}"));
    })
}

/// What [`announce`] is made of, for observers that listen for more.
pub(crate) struct Announcer {
    lock: Arc<dyn DistributedLock>,
    talk: Talk,
    said: AtomicBool,
}

impl Announcer {
    pub(crate) fn new(lock: &Arc<dyn DistributedLock>, talk: Talk) -> Self {
        Self { lock: Arc::clone(lock), talk, said: AtomicBool::new(false) }
    }

    /// Says what there is to say about an event.
    pub(crate) fn hear(&self, event: &LockEvent) {
        match event {
            LockEvent::Requested { .. } => self.said.store(false, Ordering::Relaxed),
            LockEvent::Queued { key, place, .. } if !self.said.swap(true, Ordering::Relaxed) => {
                self.say_for_whom(key.clone(), *place);
            }
            LockEvent::HeldIsStale { key } => self.talk.warn(&format!(
                "the inherited lease on `{key}` ({}) is over or not ours; waiting in line instead",
                crate::env_vars::HELD
            )),
            _ => {}
        }
    }

    /// Looks the holder up in the background, so that the acquisition itself is not held up.
    fn say_for_whom(&self, key: LockKey, place: Place) {
        let Ok(background) = background::handle() else { return };
        let (lock, talk) = (Arc::clone(&self.lock), self.talk);
        let _detached = background.spawn(async move {
            match lock.inspect(&key).await {
                // Our turn came while we looked: there is nothing to wait for any more.
                Ok(state) if matches!(state.holder, Holder::Lease { ref owner, .. } if owner.is_this_process()) => {}
                Ok(state) => talk.say(&waiting_line(&state, place)),
                Err(error) => tracing::warn!(%error, "who holds the lock could not be read"),
            }
        });
    }
}

fn waiting_line(state: &KeyState, place: Place) -> String {
    // Those in line are named by our own place: the queue that was read may have moved since.
    let holder = KeyState { queue: Vec::new(), ..state.clone() };
    format!("waiting for `{}`: {holder}; {} ahead in line", state.key, place.ahead)
}
