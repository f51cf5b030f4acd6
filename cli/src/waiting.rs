//! The one line that a wait prints: for whom, since when, which place.
//!
//! Who holds the lock is looked up beside the acquisition, which is not held up. The line comes before the wait's end is told,
//! or not at all: who is granted the lock first does not wait for it, and a wait that was in vain is told behind it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deliver::{PostponedObserver, desktop::Refusal};
use lock_core::{DistributedLock, HeldLeases, Holder, KeyState, LockEvent, LockKey, Observer, Place, background};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::ui::Talk;

/// How long the end of a wait that was in vain waits for its line: only a store that does not answer takes so long.
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// Says that an inherited list cannot be read, wholly or in part: whoever set it expects to work under a lease.
pub(crate) fn warn_of_malformed(held: &HeldLeases, talk: Talk) {
    if held.malformed() > 0 {
        let variable = crate::env_vars::HELD;
        talk.warn(&format!("{variable} cannot be read and gives no right; waiting in line instead (or unset it)"));
    }
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

/// Says once per acquisition for whom it waits, and that an inherited lease gave no right. For acquisitions that follow one
/// another; dropped with its observers, it says nothing more.
#[derive(Clone)]
pub(crate) struct Announcer(Arc<Announced>);

struct Announced {
    talk: Talk,
    /// The line of the acquisition that goes on, once it stands in line.
    line: Mutex<Option<Line>>,
}

impl Announcer {
    pub(crate) fn new(talk: Talk) -> Self {
        Self(Arc::new(Announced { talk, line: Mutex::default() }))
    }

    /// An observer of acquisitions from `lock`.
    pub(crate) fn observer(&self, lock: &Arc<dyn DistributedLock>) -> Observer {
        let (announcer, lock) = (self.clone(), Arc::clone(lock));
        Observer::new(move |event| announcer.hear(&lock, event))
    }

    /// Says what there is to say about an event.
    pub(crate) fn hear(&self, lock: &Arc<dyn DistributedLock>, event: &LockEvent) {
        match event {
            LockEvent::Requested { .. } => *held(&self.0.line) = None,
            LockEvent::Queued { key, place, .. } => {
                let mut line = held(&self.0.line);
                if line.is_none() {
                    *line = self.say_for_whom(lock, key.clone(), *place);
                }
            }
            LockEvent::Granted { .. } => {
                if let Some(line) = &*held(&self.0.line) {
                    line.close();
                }
            }
            LockEvent::HeldIsStale { key } => self.0.talk.warn(&format!(
                "the inherited lease on `{key}` ({}) is over or not ours; waiting in line instead",
                crate::env_vars::HELD
            )),
            _ => {}
        }
    }

    /// To be awaited before it is told that an acquisition was in vain: its line is said then, if it ever is.
    ///
    /// # Cancel safety
    /// When dropped, the line is said before, or not at all.
    pub(crate) async fn settle(&self) {
        let line = held(&self.0.line).take();
        if let Some(line) = line {
            line.settle(SAID_WITHIN).await;
        }
    }

    /// Says nothing more of the acquisition that has ended.
    pub(crate) fn end(&self) {
        drop(held(&self.0.line).take());
    }

    fn say_for_whom(&self, lock: &Arc<dyn DistributedLock>, key: LockKey, place: Place) -> Option<Line> {
        let background = background::handle().ok()?;
        let (lock, talk) = (Arc::clone(lock), self.0.talk);
        let found = async move {
            match lock.inspect(&key).await {
                // Our turn came while we looked: there is nothing to wait for any more.
                Ok(state) if matches!(state.holder, Holder::Lease { ref owner, .. } if owner.is_this_process()) => None,
                Ok(state) => Some(waiting_line(&state, place)),
                Err(error) => {
                    tracing::warn!(%error, "who holds the lock could not be read");
                    None
                }
            }
        };
        Some(Line::say(background, found, move |line| talk.say(line)))
    }
}

/// A line that is said as soon as it is found, unless it is closed before.
struct Line {
    open: Arc<Mutex<bool>>,
    saying: JoinHandle<()>,
}

impl Line {
    fn say(
        background: &Handle,
        found: impl Future<Output = Option<String>> + Send + 'static,
        say: impl FnOnce(&str) + Send + 'static,
    ) -> Self {
        let open = Arc::new(Mutex::new(true));
        let is_open = Arc::clone(&open);
        let saying = background.spawn(async move {
            let Some(line) = found.await else { return };
            // Held to the line's end: who closes it meanwhile goes on behind all of it.
            let is_open = held(&is_open);
            if *is_open {
                say(&line);
            }
        });
        Self { open, saying }
    }

    /// What was not said yet is not said any more.
    fn close(&self) {
        *held(&self.open) = false;
        self.saying.abort();
    }

    async fn settle(mut self, within: Duration) {
        if *held(&self.open) {
            let _late = tokio::time::timeout(within, &mut self.saying).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn waiting_line(state: &KeyState, place: Place) -> String {
    // Those in line are named by our own place: the queue that was read may have moved since.
    let holder = KeyState { queue: Vec::new(), ..state.clone() };
    format!("waiting for `{}`: {holder}; {} ahead in line", state.key, place.ahead)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    /// Longer than a test may take.
    const LONG: Duration = Duration::from_secs(60);

    /// A line, what finds it, and what is said.
    fn line() -> (Line, oneshot::Sender<Option<String>>, mpsc::Receiver<String>) {
        let ((finds, found), (says, said)) = (oneshot::channel(), mpsc::channel());
        let found = async move { found.await.ok().flatten() };
        let line = Line::say(background::handle().unwrap(), found, move |line| says.send(line.to_owned()).unwrap());
        (line, finds, said)
    }

    fn settle(line: Line, within: Duration) {
        background::handle().unwrap().block_on(line.settle(within));
    }

    #[test]
    fn what_was_in_vain_is_told_behind_the_line() {
        let (line, finds, said) = line();
        let found_later = std::thread::spawn(move || finds.send(Some("for whom".to_owned())).unwrap());
        settle(line, LONG);
        assert_eq!(said.try_recv().as_deref(), Ok("for whom"));
        found_later.join().unwrap();
    }

    #[test]
    fn a_line_that_is_not_found_in_time_is_never_said() {
        let (line, finds, said) = line();
        settle(line, Duration::ZERO);
        // The task may be gone already.
        let _gone = finds.send(Some("for whom".to_owned()));
        assert!(said.recv().is_err(), "said nothing until its end");
    }

    #[test]
    fn what_is_granted_first_is_not_waited_for_and_not_announced() {
        let (line, finds, said) = line();
        line.close();
        let _gone = finds.send(Some("for whom".to_owned()));
        settle(line, LONG);
        assert!(said.recv().is_err(), "said nothing until its end");
    }
}
