//! The one line that a wait prints: for whom, since when, which place.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use lock_core::{DistributedLock, Holder, KeyState, LockEvent, Observer, Place};

use crate::ui::Talk;

/// An observer that says once per acquisition for whom it waits, and that an inherited lease gave no right.
///
/// Must be made inside the runtime: the holder is looked up there, so that the acquisition itself is not held up.
pub(crate) fn announce(lock: &Arc<dyn DistributedLock>, talk: Talk) -> Observer {
    let (lock, runtime) = (Arc::clone(lock), tokio::runtime::Handle::current());
    let said = Arc::new(AtomicBool::new(false));
    Observer::new(move |event| match event {
        LockEvent::Requested { .. } => said.store(false, Ordering::Relaxed),
        LockEvent::Queued { key, place, .. } if !said.swap(true, Ordering::Relaxed) => {
            let (lock, key, place) = (Arc::clone(&lock), key.clone(), *place);
            let _detached = runtime.spawn(async move {
                match lock.inspect(&key).await {
                    // Our turn came while we looked: there is nothing to wait for any more.
                    Ok(state) if matches!(state.holder, Holder::Lease { ref owner, .. } if owner.is_this_process()) => {
                    }
                    Ok(state) => talk.say(&waiting_line(&state, place)),
                    Err(error) => tracing::warn!(%error, "who holds the lock could not be read"),
                }
            });
        }
        LockEvent::HeldIsStale { key } => talk.warn(&format!(
            "the inherited lease on `{key}` ({}) is over or not ours; waiting in line instead",
            crate::env_vars::HELD
        )),
        _ => {}
    })
}

fn waiting_line(state: &KeyState, place: Place) -> String {
    // Those in line are named by our own place: the queue that was read may have moved since.
    let holder = KeyState { queue: Vec::new(), ..state.clone() };
    format!("waiting for `{}`: {holder}; {} ahead in line", state.key, place.ahead)
}
