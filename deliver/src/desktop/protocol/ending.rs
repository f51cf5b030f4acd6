//! How a delivery ends: what the target still asks for is answered, then the desktop is put back.

use std::time::Duration;

use lock_core::Moment;

use super::{Run, claim::Reached};
use crate::desktop::{Bound, FetchRule, Fetched, Refusal, Step};

const STAYS: &str = "the clipboard stays: the target may still fetch the text";

impl Run<'_> {
    /// Answers late fetches for half of the quiet time before Enter: what the target still asks for must be our text, not
    /// the next sender's. Waiting for one fetch more than there were is how a driver is told to serve until the deadline.
    pub(super) fn stay_quiet(&mut self, target: &Bound, fetched: Fetched) {
        let profile = &self.delivery.agent.profile;
        let rule = FetchRule { fetches: fetched.by_target.saturating_add(1), nudge: None, ..profile.fetch_rule() };
        // One that was seen to be done has no late requests, unless one is here already.
        let done = fetched.read && profile.until_read;
        let wait = if done { Duration::ZERO } else { profile.fetch_rule().quiet_after(&fetched) / 2 };
        let late = self.desktop.await_fetched(target, rule, Moment::now() + wait);
        if let Ok(Fetched { by_target, .. }) = late
            && by_target > fetched.by_target
        {
            self.saw(Step::Restore, format!("a late fetch by the target after Enter ({by_target} in all)"));
        }
        self.await_finished(target);
        if fetched.untaken {
            self.doubt_if_gone(target);
        }
    }

    /// What lies on a window goes with it: a target that has gone may have had no text to submit.
    fn doubt_if_gone(&mut self, target: &Bound) {
        let nothing = Refusal::Covered { by: String::new() };
        if let Err(gone) = self.desktop.still_hindered(Some(&nothing), Some(target), Duration::ZERO) {
            self.seen = false;
            self.doubt.get_or_insert(gone);
        }
    }

    /// Where it is known what a paste looks like: serves until its end was seen, for a target that finds another owner of
    /// the clipboard in the middle of its paste drops the text; and claims no more than that.
    fn await_finished(&mut self, target: &Bound) {
        let profile = &self.delivery.agent.profile;
        if !self.knows_the_end() {
            return;
        }
        let rule = FetchRule { until_finished: true, ..profile.fetch_rule() };
        let seen = self.desktop.await_fetched(target, rule, Moment::now() + profile.fetch_timeout);
        self.seen = false;
        let seen = match seen {
            Ok(seen) if seen.finished => {
                self.seen = self.desktop.sight().doubt.is_none();
                return;
            }
            Ok(seen) => Refusal::PasteUnfinished { requests: seen.requests, expected: profile.requests },
            Err(refusal) => refusal,
        };
        self.unfinished = true;
        self.doubt.get_or_insert(seen);
    }

    /// Whether the end of a paste is seen.
    fn knows_the_end(&self) -> bool {
        self.delivery.agent.profile.requests > 0 && self.desktop.sight().every_fetch
    }

    /// Puts pointer and clipboard back. A target that may still fetch keeps finding our text: what it would find in its
    /// place is somebody's private clipboard.
    pub(super) fn restore(&mut self) {
        match self.reached {
            Reached::Nothing => {}
            Reached::Pasted => self.saw(Step::Restore, STAYS),
            Reached::Submitted if self.unfinished => self.saw(Step::Restore, STAYS),
            Reached::Touched | Reached::Fetched | Reached::Submitted => {
                if let Err(refusal) = self.desktop.restore(self.permit) {
                    self.saw(Step::Restore, format!("not restored: {refusal}"));
                }
            }
        }
    }
}
