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
    /// What the target has done for this paste.
    fetched: Fetched,
    /// Its requests that were refused.
    refused: u32,
    /// Texts that it has read.
    texts_read: u32,
    /// Texts that it has taken from where they were put, those in pieces with the last piece.
    texts_taken: u32,
    /// Answers of whatever kind that it has taken.
    taken: u32,
    /// When its last request came to the keeper.
    requested_at: Option<Moment>,
    /// When something of it was last heard of here.
    heard_at: Option<Moment>,
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
            refused: 0,
            texts_read: 0,
            texts_taken: 0,
            taken: 0,
            requested_at: None,
            heard_at: None,
            taken_by: None,
        }
    }

    /// Notes what the keeper said. `is_target` tells whose window it was.
    fn note(&mut self, receipt: &FromKeeper, is_target: impl Fn(Window) -> bool) {
        match receipt {
            FromKeeper::Served { offer, requestor, text, in_pieces, requested_at_ns } if *offer == self.number => {
                match is_target(*requestor) && self.is_for_this_paste(*requested_at_ns) {
                    true => {
                        self.fetched.by_target += u32::from(*text);
                        self.taken += u32::from(*in_pieces);
                        self.texts_taken += u32::from(*text && *in_pieces);
                        self.note_request(*requested_at_ns);
                    }
                    false => self.fetched.by_others += u32::from(*text),
                }
            }
            FromKeeper::Refused { offer, requestor, requested_at_ns }
                if *offer == self.number && is_target(*requestor) && self.is_for_this_paste(*requested_at_ns) =>
            {
                self.refused += 1;
                self.note_request(*requested_at_ns);
            }
            FromKeeper::Read { offer, requestor, text, requested_at_ns }
                if *offer == self.number && is_target(*requestor) && self.is_for_this_paste(*requested_at_ns) =>
            {
                self.texts_read += u32::from(*text);
                self.texts_taken += u32::from(*text);
                self.taken += 1;
                self.note_pause(Moment::now());
                self.heard_at = Some(Moment::now());
            }
            FromKeeper::Firm { offer } if *offer == self.number => self.firm = true,
            FromKeeper::Taken { offer, owner } if *offer == self.number => self.taken_by = Some(*owner),
            _ => {}
        }
        let Fetched { by_target, requests, .. } = self.fetched;
        // A list of formats that was asked for, or a text that still lies there, leaves open what comes next.
        self.fetched.read = by_target > 0 && requests == by_target && self.texts_read == by_target;
        self.fetched.untaken = self.texts_taken < by_target;
    }

    /// All requests count for the quiet: the target is still at work.
    fn note_request(&mut self, requested_at_ns: u64) {
        let at = Moment::from_since_boot_ns(requested_at_ns);
        self.note_pause(at);
        self.fetched.requests += 1;
        self.requested_at = Some(at);
        self.heard_at = Some(Moment::now());
    }

    fn note_pause(&mut self, until: Moment) {
        let since = self.requested_at.or(self.pasted_at).unwrap_or(until);
        let pause = Duration::from_nanos(until.since_boot_ns().saturating_sub(since.since_boot_ns()));
        self.fetched.longest_pause = self.fetched.longest_pause.max(pause);
    }

    /// What was seen, judged by what is expected of a paste.
    fn seen(&self, rule: FetchRule) -> Fetched {
        let Fetched { by_target, requests, .. } = self.fetched;
        // A browser that gives a request up makes others for it: the number tells.
        let whole = rule.requests > 0 && requests == rule.requests && by_target == rule.fetches && self.refused == 0;
        Fetched { finished: whole && self.taken == requests, ..self.fetched }
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
            let seen = offer.seen(rule);
            let Fetched { by_target, by_others, read, requests, finished, .. } = seen;
            // Of more requests than expected nobody knows which is the last.
            let enough = by_target >= rule.fetches && (!rule.until_finished || finished || requests > rule.requests);
            let quiet = rule.quiet_after(&seen);
            let quiet_at = offer.heard_at.or(offer.pasted_at).filter(|_| enough).map(|last| last + quiet);
            if quiet_at.is_some_and(Moment::is_past) || (enough && read && rule.until_read) {
                return Ok(seen);
            }
            if until.is_past() && rule.until_finished && by_target >= rule.fetches {
                return Ok(seen);
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
            in_pieces: false,
            requested_at_ns: Moment::now().since_boot_ns(),
        };
        let target = |window| window == 7;
        offer.note(&served(3, 7, true), target);
        assert_eq!(offer.fetched, Fetched { by_others: 1, ..Fetched::default() }, "nothing was pasted yet");
        offer.pasted_at = Some(Moment::now());
        for (of, requestor, text) in [(2, 7, true), (3, 8, true), (3, 7, false), (3, 7, true)] {
            offer.note(&served(of, requestor, text), target);
        }
        let Fetched { by_target, by_others, requests, .. } = offer.fetched;
        assert_eq!((by_target, by_others, requests), (1, 2, 2));
    }

    fn served(text: bool, in_pieces: bool) -> FromKeeper {
        let requested_at_ns = Moment::now().since_boot_ns();
        FromKeeper::Served { offer: 3, requestor: 7, text, in_pieces, requested_at_ns }
    }

    fn read(requestor: Window, text: bool) -> FromKeeper {
        FromKeeper::Read { offer: 3, requestor, text, requested_at_ns: Moment::now().since_boot_ns() }
    }

    fn refused() -> FromKeeper {
        FromKeeper::Refused { offer: 3, requestor: 7, requested_at_ns: Moment::now().since_boot_ns() }
    }

    #[test]
    fn a_paste_has_ended_when_it_was_just_as_it_is_known_and_each_answer_was_taken() {
        let rule = FetchRule {
            fetches: 1,
            requests: 2,
            until_finished: false,
            quiet: Duration::ZERO,
            until_read: false,
            nudge: None,
        };
        let finished = |said: &[FromKeeper]| {
            let mut offer = Offer::new(3, Selection::Clipboard);
            offer.pasted_at = Some(Moment::from_since_boot_ns(1));
            said.iter().for_each(|receipt| offer.note(receipt, |window| window == 7));
            offer.seen(rule).finished
        };
        let (list, text) = ([served(false, false), read(7, false)], [served(true, false), read(7, true)]);
        let and = |more: &[FromKeeper]| [&list[..], more].concat();
        assert!(finished(&and(&text)) && finished(&and(&[served(true, true)])));
        assert!(!finished(&list) && !finished(&text), "there is more to come");
        assert!(!finished(&and(&text[..1])), "the text lies there still");
        assert!(!finished(&and(&list)), "no text at all");
        assert!(!finished(&and(&and(&text))), "one request too many");
        assert!(!finished(&[&[refused()], &text[..]].concat()), "it did not get what it asked for");
    }

    #[test]
    fn a_text_is_untaken_while_it_lies_where_it_was_put() {
        let untaken = |said: &[FromKeeper]| {
            let mut offer = Offer::new(3, Selection::Clipboard);
            offer.pasted_at = Some(Moment::from_since_boot_ns(1));
            said.iter().for_each(|receipt| offer.note(receipt, |window| window == 7));
            offer.fetched.untaken
        };
        assert!(untaken(&[served(true, false)]));
        assert!(untaken(&[served(true, false), read(7, true), served(true, false)]), "the second one");
        assert!(untaken(&[served(false, false), read(7, false), served(true, false)]), "it took the list only");
        assert!(!untaken(&[served(true, false), read(7, true)]));
        assert!(!untaken(&[served(true, true)]), "in pieces, each of which it has taken");
    }

    #[test]
    fn a_target_is_done_when_it_has_asked_for_nothing_but_texts_and_has_read_them() {
        let (served, read) = (|text| served(text, false), |requestor| read(requestor, true));
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
