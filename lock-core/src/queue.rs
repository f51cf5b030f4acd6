//! Who goes next: the one policy of all backends, as pure functions.
//!
//! Higher priority first, first come first served inside a priority. Aging bounds what priority can do to a waiter: a
//! ticket that [`PASSED_MAX`] later ones have passed goes before all later ones.

use crate::Priority;

/// How many later tickets may be granted before a waiting one, until it goes before all later ones.
///
/// 16 lets a burst of urgent messages through as wide as the largest swarm seen in the field, and still bounds the
/// wait of a normal one to 16 holds more than its own place.
pub const PASSED_MAX: u32 = 16;

/// Longest line of one key unless configured otherwise. Ten times the largest swarm that was ever asked for; a longer
/// line is a sender gone wild.
pub const QUEUE_MAX: usize = 10_000;

/// What the policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The ticket's number: the order of asking.
    pub ticket: u64,
    /// Its priority.
    pub priority: Priority,
    /// How many later tickets have been granted before it.
    pub passed: u32,
}

/// The number of a request's ticket: the one it comes back with, else `next`, the first that nobody ever had.
///
/// A number is had again only if it was issued before (below `next`) and is nobody's now: `in_use` says whether a live
/// ticket or the holder's lease has it. So no two live ones ever share a number. It is no secret: who may use the store
/// may claim any place in it, as it may claim any priority.
#[must_use]
pub fn number(comes_back_with: Option<u64>, next: u64, in_use: impl Fn(u64) -> bool) -> u64 {
    // Zero is no number: backends mark "nobody" with it.
    comes_back_with.filter(|number| (1..next).contains(number) && !in_use(*number)).unwrap_or(next)
}

/// The ticket to be granted next, as an index into `line`; `None` when nobody waits.
///
/// The eldest aged ticket goes before all later ones, so the choice is among those up to it: the best priority, then the
/// lowest number.
#[must_use]
pub fn next(line: &[Standing]) -> Option<usize> {
    next_of(line.iter().copied())
}

/// [`next`] without a slice, for lines that are too long to be copied at each handover. The index counts the iterator's items.
#[must_use]
pub fn next_of(line: impl Iterator<Item = Standing> + Clone) -> Option<usize> {
    let limit = line.clone().filter(|s| s.passed >= PASSED_MAX).map(|s| s.ticket).min().unwrap_or(u64::MAX);
    let eligible = line.enumerate().filter(|(_, s)| s.ticket <= limit);
    eligible.min_by_key(|(_, s)| (std::cmp::Reverse(s.priority), s.ticket)).map(|(index, _)| index)
}

/// The whole line in the order in which it would be granted if nobody else came, as indices into `line`.
#[must_use]
pub fn order(line: &[Standing]) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..line.len()).collect();
    rest.sort_by_key(|&i| (std::cmp::Reverse(line[i].priority), line[i].ticket));
    let mut aged: Vec<u64> = line.iter().filter(|s| s.passed >= PASSED_MAX).map(|s| s.ticket).collect();
    aged.sort_unstable();
    let mut granted = Vec::with_capacity(line.len());
    for limit in aged {
        // All that go before the aged ticket, and itself, in policy order; then the next aged one binds.
        let Some(position) = rest.iter().position(|&i| line[i].ticket == limit) else { continue };
        let mut index = 0;
        rest.retain(|&i| {
            let before = index <= position && line[i].ticket <= limit;
            index += 1;
            if before {
                granted.push(i);
            }
            !before
        });
    }
    granted.extend(rest);
    granted
}

/// The waiting tickets that a grant to `granted` passes: those which asked before it.
pub fn passed_by(granted: u64, line: &[Standing]) -> impl Iterator<Item = usize> + '_ {
    line.iter().enumerate().filter(move |(_, s)| s.ticket < granted).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(ticket: u64, priority: Priority, passed: u32) -> Standing {
        Standing { ticket, priority, passed }
    }

    #[test]
    fn higher_priority_first_then_first_come() {
        use Priority::{High, Low, Normal, Urgent};
        let line = [
            standing(1, Low, 0),
            standing(2, Normal, 0),
            standing(3, Urgent, 0),
            standing(4, Normal, 0),
            standing(5, High, 0),
        ];
        assert_eq!(order(&line).iter().map(|&i| line[i].ticket).collect::<Vec<_>>(), [3, 5, 2, 4, 1]);
    }

    #[test]
    fn an_aged_ticket_goes_before_all_later_ones_but_not_before_earlier_better_ones() {
        use Priority::{High, Normal, Urgent};
        let line =
            [standing(10, Urgent, 0), standing(5, Normal, PASSED_MAX), standing(3, High, 0), standing(4, Normal, 2)];
        assert_eq!(order(&line).iter().map(|&i| line[i].ticket).collect::<Vec<_>>(), [3, 4, 5, 10]);
    }

    /// `order` is what repeated `next` gives: checked over many small lines from a fixed pseudo-random sequence.
    #[test]
    fn order_is_repeated_next() {
        let mut seed = 7_u64;
        let mut random = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        for _ in 0..2000 {
            let line: Vec<Standing> = (0..random(9))
                .map(|i| standing(i * 3 % 11, Priority::ALL[random(4) as usize], random(2) as u32 * PASSED_MAX))
                .collect();
            let mut rest: Vec<usize> = (0..line.len()).collect();
            let mut expected = Vec::new();
            while let Some(at) = next(&rest.iter().map(|&i| line[i]).collect::<Vec<_>>()) {
                expected.push(rest.remove(at));
            }
            assert_eq!(order(&line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_number_comes_back_only_if_it_was_issued_and_is_nobodys() {
        let number = |asked| number(asked, 10, |number| number == 4);
        assert_eq!([None, Some(3), Some(4), Some(0), Some(10), Some(u64::MAX)].map(number), [10, 3, 10, 10, 10, 10]);
    }

    #[test]
    fn a_low_ticket_is_granted_after_at_most_passed_max_later_ones() {
        let mut line = vec![standing(0, Priority::Low, 0)];
        let mut passed = 0;
        for ticket in 1.. {
            line.push(standing(ticket, Priority::Urgent, 0));
            let at = next(&line).unwrap();
            let granted = line.remove(at);
            if granted.ticket == 0 {
                break;
            }
            passed += 1;
            for index in passed_by(granted.ticket, &line).collect::<Vec<_>>() {
                line[index].passed += 1;
            }
        }
        assert_eq!(passed, PASSED_MAX);
    }
}
