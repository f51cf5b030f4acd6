//! The one protocol of a desktop delivery.
//!
//! | step | what is done | a refusal there means |
//! |---|---|---|
//! | watch | see that nobody is at work, and watch for input from then on | `rejected` |
//! | bind | find the window and the point in it | `rejected` |
//! | click | release a dead predecessor's keys, then move and click, checked and done as one act | `rejected` |
//! | focus | wait until the focus is on the target | `rejected` |
//! | offer | put the text on the clipboard: after the click, for a click may take a selection | `rejected` |
//! | paste | intent to disk, then check and press as one act | `rejected`; connection broken, or not seen to reach: `uncertain` |
//! | fetch | wait until the target's own client has fetched the text, then quiet | `uncertain`, no Enter |
//! | submit | intent to disk, then check and press as one act | `uncertain` |
//! | restore | quiet again, then clipboard and pointer back | no change |
//!
//! The permit is asked before each step. Nothing is tried twice. What a driver does not see ([`Sight`]) is not claimed: its
//! Enter without a fetch that was seen, or in spite of a doubt, makes `uncertain`.

use std::time::Duration;

use lock_core::{Moment, Permit};

use claim::Reached;
pub use hindered::{Hindered, await_passed};

use super::{Bound, Desktop, Fetched, InputBox, Refusal, Sight, Step, Unsent};
use crate::{Delivery, Evidence, JournalEntry, JournalError, Outcome, Reason, Stop};

/// Makes one delivery. Blocking; every wait in it has a deadline. Where something that passes by itself was in the way and
/// nothing was typed, it is told beside the outcome; `before` is what was told after the attempt before this one.
pub fn deliver(
    desktop: &mut dyn Desktop,
    delivery: &Delivery,
    permit: &Permit<'_>,
    journal: &mut JournalEntry,
    stop: &Stop,
    before: Option<&Hindered>,
) -> (Outcome, Option<Hindered>) {
    let (reached, evidence) = (Reached::Nothing, Vec::new());
    let mut run = Run {
        desktop,
        delivery,
        permit,
        journal,
        stop,
        reached,
        evidence,
        seen: false,
        doubt: before.and_then(|before| before.typed.clone()),
        unfinished: false,
        earlier: None,
        before,
        target: None,
    };
    let failed = run.steps().err();
    run.restore();
    run.desktop.unwatch();
    let hindered = failed.as_ref().and_then(|(step, failure)| run.hindered(*step, failure));
    (run.outcome(failed), hindered)
}

/// Why a step was not done.
enum Failure {
    Refused(Refusal),
    Journal(JournalError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Failure {
    fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Journal(error) => error.reason(),
        }
    }
}

struct Run<'a> {
    desktop: &'a mut dyn Desktop,
    delivery: &'a Delivery,
    permit: &'a Permit<'a>,
    journal: &'a mut JournalEntry,
    stop: &'a Stop,
    reached: Reached,
    evidence: Vec<Evidence>,
    /// The target is seen to have read the text, and nothing leads its keys elsewhere: Enter submits it.
    seen: bool,
    /// Why an Enter that was pressed is not claimed.
    doubt: Option<Refusal>,
    /// Enter was pressed, and the target was not seen to end its paste.
    unfinished: bool,
    /// Whose text may have stood in the box: a reason not to claim it, where there is no other.
    earlier: Option<Unsent>,
    /// What the attempt before this one met.
    before: Option<&'a Hindered>,
    /// What was bound.
    target: Option<Bound>,
}

impl Run<'_> {
    fn steps(&mut self) -> Result<(), (Step, Failure)> {
        self.step(Step::Watch, Self::watch)?;
        let target = self.step(Step::Bind, Self::bind)?;
        self.target = Some(target.clone());
        self.step(Step::Click, |run| run.click(&target))?;
        self.step(Step::Focus, |run| run.await_focus(&target))?;
        self.step(Step::Offer, Self::offer)?;
        self.step(Step::Paste, |run| run.paste(&target))?;
        let fetched = self.step(Step::Fetch, |run| run.await_fetched(&target))?;
        self.step(Step::Submit, |run| run.submit(&target))?;
        self.stay_quiet(&target, fetched);
        Ok(())
    }

    /// Does one step, if the lease still holds and, up to the paste, there is time and nobody wants to stop.
    fn step<T>(&mut self, step: Step, act: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, (Step, Failure)> {
        let began = Moment::now();
        let done = self.may_go_on().and_then(|()| act(self));
        tracing::debug!(%step, took = ?began.elapsed(), done = done.is_ok(), "delivery");
        done.map_err(|failure| (step, failure))
    }

    fn may_go_on(&self) -> Result<(), Failure> {
        if self.reached < Reached::Pasted {
            if let Some(by) = self.stop.requested() {
                return Err(Refusal::Stopped(by).into());
            }
            if self.delivery.until.is_past() {
                return Err(Refusal::OutOfTime.into());
            }
        }
        self.permit.check().map_err(|lost| Refusal::LeaseLost(lost.to_string()).into())
    }

    fn saw(&mut self, step: Step, seen: impl Into<String>) {
        self.evidence.push(Evidence { step, seen: seen.into() });
    }

    fn watch(&mut self) -> Result<(), Failure> {
        for unseen in self.desktop.watch(Some(self.permit), self.delivery.idle)? {
            self.saw(Step::Watch, unseen);
        }
        Ok(())
    }

    fn bind(&mut self) -> Result<Bound, Failure> {
        let place = &self.delivery.agent.place;
        let target = self.desktop.bind(place)?;
        let before = self.before.and_then(|before| before.target.as_ref());
        if let Some(before) = before.filter(|_| place.window.is_none()) {
            self.refuse_another(&target, before)?;
        }
        let (x, y) = target.point;
        self.saw(Step::Bind, format!("{} at ({x}, {y})", target.description));
        Ok(target)
    }

    /// A point names no window: what it was bound to first is what the message is for.
    fn refuse_another(&mut self, found: &Bound, before: &Bound) -> Result<(), Failure> {
        if (found.window, found.client) == (before.window, before.client) {
            return Ok(());
        }
        let covered = Refusal::Covered { by: found.description.clone() };
        let still = self.desktop.still_hindered(Some(&covered), Some(before), Duration::ZERO)?;
        let moved = || Refusal::TargetGone(format!("{} lies there now, not {}", found.description, before.description));
        Err(still.unwrap_or_else(moved).into())
    }

    fn click(&mut self, target: &Bound) -> Result<(), Failure> {
        self.reached = Reached::Touched;
        for released in self.desktop.sweep(self.permit)? {
            self.saw(Step::Click, format!("released what a dead sender left: {released}"));
        }
        Ok(self.desktop.click(self.permit, target)?)
    }

    fn await_focus(&mut self, target: &Bound) -> Result<(), Failure> {
        let until = self.delivery.until.min(Moment::now() + self.delivery.agent.profile.focus_timeout);
        let seen = match self.desktop.await_focus(target, until)? {
            InputBox::Focused => {
                "keys go to the target's window, and there to the input box at the point, as its program says"
            }
            InputBox::NotTold => "keys go to the target's window; which input box inside it takes them is not checked",
        };
        self.saw(Step::Focus, seen);
        Ok(())
    }

    fn offer(&mut self) -> Result<(), Failure> {
        let text = self.delivery.message.text();
        Ok(self.desktop.offer(self.permit, text, self.delivery.agent.profile.selection)?)
    }

    fn paste(&mut self, target: &Bound) -> Result<(), Failure> {
        self.journal.intend_paste()?;
        // The sync may have taken long on a busy disk.
        self.may_go_on()?;
        let Delivery { message, agent, .. } = self.delivery;
        let pressed = self.desktop.paste(self.permit, target, &agent.profile.paste, message.id());
        // Other refusals mean that nothing was pressed; a connection that broke meanwhile tells nothing.
        if matches!(pressed, Ok(_) | Err(Refusal::Disconnected { .. } | Refusal::PressNotSeen { .. })) {
            self.reached = Reached::Pasted;
        }
        if let Some(earlier) = pressed? {
            self.saw(Step::Paste, format!("an earlier sender may have left the text of {earlier} there, unsent"));
            self.earlier = Some(earlier);
        }
        Ok(())
    }

    fn await_fetched(&mut self, target: &Bound) -> Result<Fetched, Failure> {
        let profile = &self.delivery.agent.profile;
        let until = Moment::now() + profile.fetch_timeout;
        let fetched = self.desktop.await_fetched(target, profile.fetch_rule(), until)?;
        let Fetched { by_target, by_others, .. } = fetched;
        let Sight { every_fetch, doubt } = self.desktop.sight();
        // Who does not see every fetch sees the first, at most.
        let expected = if every_fetch { profile.fetches } else { 1 };
        match by_target >= expected {
            true => {
                self.reached = Reached::Fetched;
                self.seen = doubt.is_none();
                self.doubt = self.doubt.take().or(doubt.map(|why| Refusal::Unobservable { why }));
                let seen = format!("the target fetched the text ({by_target} times, others {by_others} times)");
                self.saw(Step::Fetch, seen);
            }
            // Held here too, so that no driver's mistake lets an Enter through.
            false if every_fetch => {
                return Err(Refusal::NotFetched { by_target, expected, by_others }.into());
            }
            false => {
                self.doubt.get_or_insert(Refusal::FetchNotObserved { by_others });
                self.saw(Step::Fetch, "whether the target has fetched the text was not observed");
            }
        }
        if !profile.settle.is_zero() {
            std::thread::sleep(profile.settle);
        }
        Ok(fetched)
    }

    fn submit(&mut self, target: &Bound) -> Result<(), Failure> {
        self.journal.intend_submit()?;
        self.may_go_on()?;
        self.desktop.submit(self.permit, target, &self.delivery.agent.profile.submit, self.seen)?;
        self.reached = Reached::Submitted;
        self.saw(Step::Submit, "Enter was pressed for the target's window");
        Ok(())
    }

    fn hindered(&self, step: Step, failure: &Failure) -> Option<Hindered> {
        let Failure::Refused(refusal) = failure else { return None };
        let hindrance = refusal.hindrance().filter(|_| self.reached < Reached::Pasted)?;
        let before = self.before.and_then(|before| before.typed.clone());
        let typed = before.or_else(|| hindered::typed_before(step, refusal));
        Some(Hindered { hindrance, step, refusal: refusal.clone(), target: self.target.clone(), typed })
    }
}

mod claim;
mod ending;
mod hindered;
#[cfg(test)]
mod tests;
