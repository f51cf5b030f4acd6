//! Which window has the keyboard, and that none else has had it around our keys.

use std::time::Duration;

use lock_core::Moment;

use super::{LOOK_AGAIN_AFTER, Windows, attendant::Heard, window::Window};
use crate::desktop::Refusal;

/// Windows tells of a new foreground window a little later. So long before and after keys there must have been none.
const FOREGROUND_REST: Duration = Duration::from_millis(50);
/// How long the foreground may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(1);

impl Windows {
    /// Waits until no window has come to the foreground for a while; how often one has so far.
    pub(super) fn await_rest(&self) -> Result<u64, Refusal> {
        let rested = |heard: &Heard| {
            let last = heard.last_foreground;
            last.is_none_or(|last| last.elapsed() >= FOREGROUND_REST).then_some(heard.foregrounds)
        };
        let until = Moment::now() + REST_WITHIN;
        let mut at_rest = None;
        while at_rest.is_none() && !until.is_past() {
            at_rest = self.attendant.wait(until.min(Moment::now() + LOOK_AGAIN_AFTER), rested);
        }
        let restless = || Refusal::Interference { device: "the foreground: it does not come to rest".into() };
        at_rest.ok_or_else(restless)
    }

    /// Refuses if a window has come to the foreground since, or does so yet: it may have had our keys.
    pub(super) fn refuse_restless(&self) -> Result<(), Refusal> {
        let before = self.foregrounds;
        let until = Moment::now() + FOREGROUND_REST;
        let changed = self.attendant.wait(until, |heard| (heard.foregrounds != before).then_some(()));
        match changed {
            Some(()) => Err(Refusal::FocusElsewhere { on: "another window, at that moment".into() }),
            None => Ok(()),
        }
    }

    pub(super) fn refuse_unfocused(window: Window) -> Result<(), Refusal> {
        match Window::foreground() {
            Some(foreground) if foreground == window && window.takes_keys() => Ok(()),
            Some(foreground) if foreground == window => {
                Err(Refusal::FocusElsewhere { on: "no input box of the target".into() })
            }
            Some(other) => Err(Refusal::FocusElsewhere { on: other.describe() }),
            None => Err(Refusal::FocusElsewhere { on: "no window".into() }),
        }
    }
}
