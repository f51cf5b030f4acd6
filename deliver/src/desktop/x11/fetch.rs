//! Waiting for the target itself to fetch our text.

use std::time::Duration;

use lock_core::Moment;
use x11rb::protocol::xproto::Window;

use super::{X11Desktop, bind::Target, keeper::FromKeeper};
use crate::desktop::{FetchRule, Fetched, Refusal, Selection};

const FETCHING: &str = "waiting for the target to fetch";
/// How long the server's clock may take to pass the millisecond of our click.
const FIRM_WITHIN: Duration = Duration::from_secs(2);

/// Our text on a selection, and who has fetched it.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) number: u64,
    pub(super) selection: Selection,
    /// When the first keys were pressed; fetches from before were not for this paste.
    pub(super) pasted_at: Option<Moment>,
    /// No claim for the click before it can take it away any more.
    firm: bool,
    fetched: Fetched,
    /// Of the target for this paste, for whatever format.
    requests: u32,
    /// Texts that it has read.
    reads: u32,
    last_request: Option<Moment>,
    taken_by: Option<Window>,
}

impl Offer {
    pub(super) fn new(number: u64, selection: Selection) -> Self {
        let fetched = Fetched::default();
        Self {
            number,
            selection,
            pasted_at: None,
            firm: false,
            fetched,
            requests: 0,
            reads: 0,
            last_request: None,
            taken_by: None,
        }
    }

    /// Notes what the keeper said. `is_target` tells whose window it was.
    fn note(&mut self, receipt: &FromKeeper, is_target: impl Fn(Window) -> bool) {
        match receipt {
            FromKeeper::Served { offer, requestor, text, requested_at_ns } if *offer == self.number => {
                match is_target(*requestor) && self.is_for_this_paste(*requested_at_ns) {
                    true => {
                        self.fetched.by_target += u32::from(*text);
                        self.requests += 1;
                        // The lists of formats count for the quiet: the target is still at work.
                        self.last_request = Some(Moment::now());
                    }
                    false => self.fetched.by_others += u32::from(*text),
                }
            }
            FromKeeper::Read { offer, requestor, requested_at_ns } if *offer == self.number => {
                self.reads += u32::from(is_target(*requestor) && self.is_for_this_paste(*requested_at_ns));
            }
            FromKeeper::Firm { offer } if *offer == self.number => self.firm = true,
            FromKeeper::Taken { offer, owner } if *offer == self.number => self.taken_by = Some(*owner),
            _ => {}
        }
        let Fetched { by_target, .. } = self.fetched;
        // A list of formats that was asked for, or a text that still lies there, leaves open what comes next.
        self.fetched.read = by_target > 0 && self.requests == by_target && self.reads == by_target;
    }

    fn is_for_this_paste(&self, requested_at_ns: u64) -> bool {
        self.pasted_at.is_some_and(|pasted_at| Moment::from_since_boot_ns(requested_at_ns) >= pasted_at)
    }
}

impl X11Desktop {
    /// Waits until what is offered, if anything is, cannot be taken away by a claim for our own click.
    pub(super) fn await_firm(&mut self, target: &Target) -> Result<(), Refusal> {
        let until = Moment::now() + FIRM_WITHIN;
        while let Some(offer) = &self.offer
            && !offer.firm
        {
            if let Some(owner) = offer.taken_by {
                return Err(Refusal::ClipboardTaken { by: self.describe_owner(owner)? });
            }
            match self.keeper.receipt(until, "taking the clipboard")? {
                Some(receipt) => self.note_receipt(target, &receipt),
                None => return Err(late("taking the clipboard")),
            }
        }
        Ok(())
    }

    pub(super) fn await_fetches(
        &mut self,
        target: &Target,
        rule: FetchRule,
        until: Moment,
    ) -> Result<Fetched, Refusal> {
        // Within the quiet, too: a target that sleeps on an answer with more requests to make looks quiet.
        let nudge = rule.nudge.map(|every| if rule.quiet.is_zero() { every } else { every.min(rule.quiet / 2) });
        let mut nudge_at = nudge.map(|every| Moment::now() + every);
        loop {
            // What was said meanwhile comes before any judgement: this process may have been late itself.
            while let Some(receipt) = self.keeper.receipt(Moment::now(), FETCHING)? {
                self.note_receipt(target, &receipt);
            }
            let Some(offer) = &self.offer else {
                return Err(Refusal::ClipboardTaken { by: "nobody: nothing is offered".into() });
            };
            if let Some(owner) = offer.taken_by {
                return Err(Refusal::ClipboardTaken { by: self.describe_owner(owner)? });
            }
            let Fetched { by_target, by_others, read } = offer.fetched;
            let enough = by_target >= rule.fetches;
            let quiet = rule.quiet_after(offer.requests);
            let quiet_at = offer.last_request.or(offer.pasted_at).filter(|_| enough).map(|last| last + quiet);
            if quiet_at.is_some_and(Moment::is_past) || (enough && read && rule.until_read) {
                return Ok(offer.fetched);
            }
            if until.is_past() {
                return Err(Refusal::NotFetched { by_target, expected: rule.fetches, by_others });
            }
            let wake_at = [quiet_at, nudge_at].into_iter().flatten().fold(until, Moment::min);
            match self.keeper.receipt(wake_at, FETCHING)? {
                Some(receipt) => self.note_receipt(target, &receipt),
                None => {
                    if let (Some(every), true) = (nudge, nudge_at.is_some_and(Moment::is_past)) {
                        self.nudge_pointer(target)?;
                        nudge_at = Some(Moment::now() + every);
                    }
                }
            }
        }
    }

    fn note_receipt(&mut self, target: &Target, receipt: &FromKeeper) {
        let client = self.display.client_of(target.window);
        if let Some(offer) = &mut self.offer {
            offer.note(receipt, |requestor| self.display.client_of(requestor) == client);
        }
    }
}

/// The keeper lives, as far as is known, and does not do its part.
pub(super) fn late(during: &'static str) -> Refusal {
    Refusal::Disconnected { during, why: "the clipboard's keeper did not answer in time".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fetches_of_the_target_after_the_paste_count() {
        let mut offer = Offer::new(3, Selection::Clipboard);
        let served = |offer, requestor, text| FromKeeper::Served {
            offer,
            requestor,
            text,
            requested_at_ns: Moment::now().since_boot_ns(),
        };
        let target = |window| window == 7;
        offer.note(&served(3, 7, true), target);
        assert_eq!(offer.fetched, Fetched { by_others: 1, ..Fetched::default() }, "nothing was pasted yet");
        offer.pasted_at = Some(Moment::now());
        for (of, requestor, text) in [(2, 7, true), (3, 8, true), (3, 7, false), (3, 7, true)] {
            offer.note(&served(of, requestor, text), target);
        }
        assert_eq!(offer.fetched, Fetched { by_target: 1, by_others: 2, read: false });
    }

    #[test]
    fn a_target_is_done_when_it_has_asked_for_nothing_but_texts_and_has_read_them() {
        let served =
            |text| FromKeeper::Served { offer: 3, requestor: 7, text, requested_at_ns: Moment::now().since_boot_ns() };
        let read = |requestor| FromKeeper::Read { offer: 3, requestor, requested_at_ns: Moment::now().since_boot_ns() };
        let done = |said: &[FromKeeper]| {
            let mut offer = Offer::new(3, Selection::Clipboard);
            offer.pasted_at = Some(Moment::from_since_boot_ns(1));
            said.iter().for_each(|receipt| offer.note(receipt, |window| window == 7));
            offer.fetched.read
        };
        assert!(done(&[served(true), read(7)]));
        assert!(!done(&[served(true)]));
        assert!(!done(&[served(true), read(8)]), "somebody else has read something");
        assert!(!done(&[served(false), served(true), read(7)]), "it looked at the formats, and may look again");
        assert!(!done(&[served(true), read(7), served(true)]));
    }
}
