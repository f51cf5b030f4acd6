//! What was submitted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lock_core::Moment;
use serde::{Deserialize, Serialize};

/// A message that was submitted with Return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The index of the window, from 0.
    pub window: usize,
    /// The whole draft, as it stood.
    pub text: String,
    /// When, as [`Moment::since_boot_ns`]: the same clock for all processes of the host.
    pub at_ns: u64,
    /// When Return was pressed, in milliseconds of the X server's clock: tells the order between windows of different
    /// clients, who hear of their keys each in their own time. Wraps around after 49 days.
    pub pressed_ms: u32,
}

/// What stands in a window without having been submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The index of the window, from 0.
    pub window: usize,
    /// What was typed and pasted since the last submission.
    pub text: String,
    /// A paste was begun and its text has not come yet.
    pub pasting: bool,
}

/// The submissions of all windows.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    taken: Mutex<Vec<Submission>>,
    more: Condvar,
}

impl Inbox {
    pub(super) fn take(&self, window: usize, text: String, pressed_ms: u32) {
        let submission = Submission { window, text, at_ns: Moment::now().since_boot_ns(), pressed_ms };
        self.lock().push(submission);
        self.more.notify_all();
    }

    pub(super) fn after(&self, seen: usize) -> Vec<Submission> {
        self.lock().get(seen..).unwrap_or_default().to_vec()
    }

    pub(super) fn wait_after(&self, seen: usize, within: Duration) -> Vec<Submission> {
        let deadline = Instant::now() + within;
        let mut taken = self.lock();
        while taken.len() <= seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Vec::new();
            }
            taken = self.more.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        taken[seen..].to_vec()
    }

    /// The list is whole after every push, so a thread that panicked while it held it left nothing half done.
    fn lock(&self) -> MutexGuard<'_, Vec<Submission>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
