//! What all senders did, on the one clock of their kernel, and what of it the contract does not allow.
//!
//! An interval is what its sender had proof of: from the first successful check of its lease to the last one. So it is never
//! longer than the lease was, and no pause of a process looks like a violation.

use std::time::Duration;

use lock_core::Moment;

/// How long after the end of a silence a waiter may still be out of its place: it finds its connection dead after 0.3 s, twice,
/// opens another one within 0.6 s and comes back with its number, on a machine that is busy.
const BACK_IN_LINE: Duration = Duration::from_secs(2);

/// How long before its first check a lease may have been granted: it is on offer for so long.
const OFFER: Duration = Duration::from_secs(2);

/// One lease that a sender knew to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) sender: usize,
    /// The priority: 0 is urgent, 3 is low.
    pub(crate) class: u8,
    pub(crate) ticket: u64,
    pub(crate) token: u64,
    pub(crate) asked: Moment,
    pub(crate) since: Moment,
    pub(crate) until: Moment,
}

/// A time in which something was out of order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// What excuses a history: only this, and only as far as the contract says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excuses {
    /// The server has lost its data. A holder may not know it for up to the rest of its lease, and the first waiter to come
    /// back goes first.
    pub(crate) losses: Vec<Span>,
    /// A sender could not be heard: it may have been passed over.
    pub(crate) silences: Vec<(usize, Span)>,
    /// How long a lease lasts that is not renewed.
    pub(crate) ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The second one held before the first one, with the smaller token, had ended.
    Overlap(Turn, Turn),
    /// Both leases have one token.
    SameToken(Turn, Turn),
    /// The second one went first, although it had come later and was not more urgent.
    Order(Turn, Turn),
}

impl Turn {
    /// Whether `self` goes before `other`, whatever the aging of others: it has come earlier and is at least as urgent.
    fn goes_before(&self, other: &Self) -> bool {
        self.ticket < other.ticket && self.class <= other.class
    }
}

impl Excuses {
    /// The data was lost while the earlier lease was wanted or held. It is not renewed any more then.
    fn overlap(&self, earlier: &Turn, later: &Turn) -> bool {
        self.losses
            .iter()
            .any(|loss| earlier.asked <= loss.to && later.since >= loss.from && earlier.until <= loss.to + self.ttl)
    }

    /// The one that was passed over may have been silent, or thrown out of line, when the other one was granted. Once it is back
    /// it goes first again.
    fn order(&self, passed_over: &Turn, other: &Turn) -> bool {
        let matters = |span: &Span| span.from <= other.since && other.since <= span.to + BACK_IN_LINE + OFFER;
        let silent = |(sender, span): &(usize, Span)| *sender == passed_over.sender && matters(span);
        self.losses.iter().any(matters) || self.silences.iter().any(silent)
    }
}

/// Tokens grow with time, leases do not overlap, and who has come first goes first.
pub(crate) fn violations(turns: &[Turn], excuses: &Excuses) -> Vec<Violation> {
    let mut by_token = turns.to_vec();
    by_token.sort_unstable_by_key(|turn| turn.token);
    let mut found = Vec::new();
    for (at, earlier) in by_token.iter().enumerate() {
        for later in &by_token[at + 1..] {
            if earlier.token == later.token {
                found.push(Violation::SameToken(*earlier, *later));
            } else if earlier.until > later.since && !excuses.overlap(earlier, later) {
                found.push(Violation::Overlap(*earlier, *later));
            }
            if later.goes_before(earlier) && !excuses.order(later, earlier) {
                found.push(Violation::Order(*later, *earlier));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    fn at(steps: u32) -> Moment {
        Moment::from_since_boot_ns(1_000_000_000_000) + STEP * steps
    }

    /// Ten senders have asked one after the other, and were served so.
    fn orderly() -> Vec<Turn> {
        let turn = |n: u32| Turn {
            sender: n as usize,
            class: 2,
            ticket: u64::from(n) + 1,
            token: u64::from(n) + 101,
            asked: at(n),
            since: at(100 + 2 * n),
            until: at(101 + 2 * n),
        };
        (0..10).map(turn).collect()
    }

    fn excuses() -> Excuses {
        Excuses { ttl: STEP * 10, ..Excuses::default() }
    }

    fn swap_places(turns: &mut [Turn], one: usize, other: usize) {
        let (a, b) = (turns[one], turns[other]);
        (turns[one].token, turns[one].since, turns[one].until) = (b.token, b.since, b.until);
        (turns[other].token, turns[other].since, turns[other].until) = (a.token, a.since, a.until);
    }

    #[test]
    fn an_orderly_history_passes() {
        assert_eq!(violations(&orderly(), &excuses()), []);
    }

    #[test]
    fn a_lease_that_outlives_the_next_grant_is_found() {
        let mut turns = orderly();
        turns[3].until = turns[4].since + Duration::from_nanos(1);
        assert_eq!(violations(&turns, &excuses()), [Violation::Overlap(turns[3], turns[4])]);
    }

    #[test]
    fn a_token_that_comes_twice_or_goes_back_is_found() {
        let mut turns = orderly();
        turns[7].token = turns[2].token;
        let twice = violations(&turns, &excuses());
        assert!(twice.contains(&Violation::SameToken(turns[2], turns[7])), "{twice:?}");
        let mut turns = orderly();
        turns[9].token = 1;
        let back = violations(&turns, &excuses());
        assert!(back.contains(&Violation::Overlap(turns[9], turns[0])), "{back:?}");
    }

    #[test]
    fn who_went_out_of_turn_is_found_unless_more_urgent() {
        let mut turns = orderly();
        swap_places(&mut turns, 4, 5);
        assert_eq!(violations(&turns, &excuses()), [Violation::Order(turns[4], turns[5])]);
        turns[5].class = 0;
        assert_eq!(violations(&turns, &excuses()), []);
        turns[5].class = 3;
        assert_eq!(violations(&turns, &excuses()), [Violation::Order(turns[4], turns[5])]);
    }

    #[test]
    fn a_silence_excuses_its_own_sender_and_nobody_long_before_or_after() {
        let mut turns = orderly();
        swap_places(&mut turns, 4, 5);
        let silent = |sender, from, to| Excuses { silences: vec![(sender, Span { from, to })], ..excuses() };
        assert_eq!(violations(&turns, &silent(4, at(90), at(95))), []);
        assert_eq!(violations(&turns, &silent(5, at(90), at(95))).len(), 1);
        assert_eq!(violations(&turns, &silent(4, at(200), at(201))).len(), 1);
        let long_before = Moment::from_since_boot_ns(1);
        assert_eq!(violations(&turns, &silent(4, long_before, long_before)).len(), 1);
    }

    #[test]
    fn lost_data_excuses_two_holders_for_the_rest_of_a_lease_and_no_longer() {
        let mut turns = orderly();
        let loss = Span { from: turns[3].since, to: turns[3].since + STEP / 2 };
        turns[3].until = turns[4].since + STEP / 2;
        let lost = Excuses { losses: vec![loss], ..excuses() };
        assert_eq!(violations(&turns, &lost), []);
        turns[3].until = loss.to + lost.ttl + Duration::from_nanos(1);
        assert!(violations(&turns, &lost).contains(&Violation::Overlap(turns[3], turns[4])));
        turns[3].until = turns[4].since + STEP / 2;
        let later = Span { from: turns[4].since + STEP / 4, to: turns[4].since + STEP / 2 };
        let lost = Excuses { losses: vec![later], ..excuses() };
        assert_eq!(violations(&turns, &lost).len(), 1, "it was lost after the second one held");
        let tokens = {
            turns[7].token = turns[6].token;
            violations(&turns, &lost)
        };
        assert!(tokens.contains(&Violation::SameToken(turns[6], turns[7])), "tokens grow all the same");
    }
}
