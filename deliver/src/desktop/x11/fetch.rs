//! Waiting for the target itself to fetch our text.

use lock_core::Moment;
use x11rb::protocol::xproto::Window;

use super::{X11Desktop, bind::Target, keeper::FromKeeper};
use crate::desktop::{FetchRule, Fetched, Refusal, Selection};

/// Our text on a selection, and who has fetched it.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) number: u64,
    pub(super) selection: Selection,
    /// When the first keys were pressed; fetches from before were not for this paste.
    pub(super) pasted_at: Option<Moment>,
    fetched: Fetched,
    last_request: Option<Moment>,
    taken_by: Option<Window>,
}

impl Offer {
    pub(super) fn new(number: u64, selection: Selection) -> Self {
        let fetched = Fetched { by_target: 0, by_others: 0 };
        Self { number, selection, pasted_at: None, fetched, last_request: None, taken_by: None }
    }

    /// Notes what the keeper said. `is_target` tells whose window it was.
    fn note(&mut self, receipt: &FromKeeper, is_target: impl Fn(Window) -> bool) {
        match receipt {
            FromKeeper::Served { offer, requestor, text, requested_at_ns } if *offer == self.number => {
                let requested_at = Moment::from_since_boot_ns(*requested_at_ns);
                let for_this_paste = self.pasted_at.is_some_and(|pasted_at| requested_at >= pasted_at);
                match is_target(*requestor) && for_this_paste {
                    true => {
                        self.fetched.by_target += u32::from(*text);
                        // The lists of formats count for the quiet: the target is still at work.
                        self.last_request = Some(Moment::now());
                    }
                    false => self.fetched.by_others += u32::from(*text),
                }
            }
            FromKeeper::Taken { offer, owner } if *offer == self.number => self.taken_by = Some(*owner),
            _ => {}
        }
    }
}

impl X11Desktop {
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
            let Some(offer) = &self.offer else {
                return Err(Refusal::ClipboardTaken { by: "nobody: nothing is offered".into() });
            };
            if let Some(owner) = offer.taken_by {
                return Err(Refusal::ClipboardTaken { by: self.describe_owner(owner)? });
            }
            let Fetched { by_target, by_others } = offer.fetched;
            let enough = by_target >= rule.fetches;
            let quiet_at = offer.last_request.or(offer.pasted_at).filter(|_| enough).map(|last| last + rule.quiet);
            if quiet_at.is_some_and(Moment::is_past) {
                return Ok(offer.fetched);
            }
            if until.is_past() {
                return Err(Refusal::NotFetched { by_target, expected: rule.fetches, by_others });
            }
            let wake_at = [quiet_at, nudge_at].into_iter().flatten().fold(until, Moment::min);
            match self.keeper.receipt(wake_at)? {
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
        assert_eq!(offer.fetched, Fetched { by_target: 0, by_others: 1 }, "nothing was pasted yet");
        offer.pasted_at = Some(Moment::now());
        for (of, requestor, text) in [(2, 7, true), (3, 8, true), (3, 7, false), (3, 7, true)] {
            offer.note(&served(of, requestor, text), target);
        }
        assert_eq!(offer.fetched, Fetched { by_target: 1, by_others: 2 });
    }
}
