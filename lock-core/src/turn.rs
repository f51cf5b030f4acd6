//! Whose turn it is: where a process must sleep so that it is woken in time, from the line alone.
//!
//! For backends where each waiting process keeps one file locked, its wake file, and sleeps on that of the one ahead.

use std::collections::HashSet;

use crate::queue::{self, PASSED_MAX, Standing};

/// A ticket, as a backend has it whose waiting processes sleep on each other.
pub trait InLine {
    /// What the policy looks at.
    fn standing(&self) -> Standing;
    /// Names the process that waits.
    fn process(&self) -> u64;
    /// Whether it is waited for: not, while it leaves a free lock lying.
    fn is_awake(&self) -> bool;
}

/// What a process with tickets in line has to do. Indices are into the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has no ticket.
    None,
    /// Its ticket goes next: sleep on what the holder keeps locked.
    Head(usize),
    /// Others go first: sleep on the wake file of this ticket's process.
    Behind {
        /// A ticket of the process to sleep on.
        ahead: usize,
        /// Our own earliest one.
        ours: usize,
    },
}

/// The turn of `process`. Tickets that are asleep count only for their own process.
///
/// A wake file stands for the earliest ticket of its process. So a process sleeps on the one whose earliest ticket is the
/// last before its own earliest: every wake file has one sleeper, and each grant wakes one process.
#[must_use]
pub fn turn<E: InLine>(entries: &[E], process: u64) -> Turn {
    if !entries.iter().any(|e| e.process() == process) {
        return Turn::None;
    }
    let counts = |e: &E| e.is_awake() || e.process() == process;
    if let Some(next) = next_among(entries, counts)
        && entries[next].process() == process
    {
        return Turn::Head(next);
    }
    let counted: Vec<usize> = (0..entries.len()).filter(|&i| counts(&entries[i])).collect();
    let standings: Vec<Standing> = counted.iter().map(|&i| entries[i].standing()).collect();
    let mut seen = HashSet::new();
    let mut last_ahead = None;
    for index in queue::order(&standings).into_iter().map(|at| counted[at]) {
        if entries[index].process() == process {
            return last_ahead.map_or(Turn::Head(index), |ahead| Turn::Behind { ahead, ours: index });
        }
        if seen.insert(entries[index].process()) {
            last_ahead = Some(index);
        }
    }
    Turn::None
}

/// Tickets of other processes that go before `ours`, the earliest of its process, and did not before they aged: a better
/// ticket of ours, not always the same one, was ahead of them.
pub fn overtaken_by_age<E: InLine>(entries: &[E], ours: usize) -> impl Iterator<Item = u64> + '_ {
    let (process, limit) = (entries[ours].process(), entries[ours].standing().ticket);
    let best = entries.iter().filter(|e| e.process() == process).map(|e| e.standing().priority).max();
    let others = entries.iter().filter(move |e| e.process() != process).map(InLine::standing);
    others.filter(move |s| s.passed >= PASSED_MAX && s.ticket < limit && Some(s.priority) < best).map(|s| s.ticket)
}

/// The ticket to be granted next among those that are awake.
#[must_use]
pub fn next_awake<E: InLine>(entries: &[E]) -> Option<usize> {
    next_among(entries, E::is_awake)
}

/// Without a copy of the line: this is between a release and the next grant.
fn next_among<E: InLine>(entries: &[E], counts: impl Fn(&E) -> bool + Copy) -> Option<usize> {
    let mut counted = entries.iter().enumerate().filter(|(_, e)| counts(e));
    let at = queue::next_of(counted.clone().map(|(_, e)| e.standing()))?;
    counted.nth(at).map(|(index, _)| index)
}

/// Whether nobody who sleeps behind the process of the ticket at `index` need wake when that ticket leaves: it is not
/// the earliest of its process, or another one of the process follows at once.
#[must_use]
pub fn keeps_place_without<E: InLine>(entries: &[E], index: usize) -> bool {
    let process = entries[index].process();
    let order = order(entries);
    let position = order.iter().position(|&i| i == index).unwrap_or(0);
    let ours = |&i: &usize| entries[i].process() == process;
    order[..position].iter().any(ours) || order.get(position + 1).is_some_and(ours)
}

/// The whole line in the order of its grants.
#[must_use]
pub fn order<E: InLine>(entries: &[E]) -> Vec<usize> {
    queue::order(&entries.iter().map(E::standing).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Priority;

    struct Entry {
        standing: Standing,
        process: u64,
        awake: bool,
    }

    impl InLine for Entry {
        fn standing(&self) -> Standing {
            self.standing
        }
        fn process(&self) -> u64 {
            self.process
        }
        fn is_awake(&self) -> bool {
            self.awake
        }
    }

    fn entry(ticket: u64, process: u64, priority: Priority) -> Entry {
        Entry { standing: Standing { ticket, priority, passed: 0 }, process, awake: true }
    }

    #[test]
    fn every_process_sleeps_on_another_one_ahead() {
        use Priority::Normal;
        // X's tickets stand between those of A, B and C; a sleeper on X's file would be woken for each of them.
        let line = [(1, 9), (2, 1), (3, 9), (4, 2), (5, 9), (6, 3)].map(|(t, p)| entry(t, p, Normal));
        let ahead = |process| match turn(&line, process) {
            Turn::Behind { ahead, .. } => line[ahead].process,
            other => panic!("{other:?}"),
        };
        assert_eq!(turn(&line, 9), Turn::Head(0));
        assert_eq!([ahead(1), ahead(2), ahead(3)], [9, 1, 2]);
        assert_eq!(turn(&line, 4), Turn::None);
    }

    #[test]
    fn who_sleeps_is_not_waited_for_but_knows_its_own_turn() {
        let mut line = [entry(1, 1, Priority::Normal), entry(2, 2, Priority::Normal)];
        line[0].awake = false;
        assert_eq!((turn(&line, 1), turn(&line, 2)), (Turn::Head(0), Turn::Head(1)));
        assert_eq!(next_awake(&line), Some(1));
    }

    #[test]
    fn an_aged_ticket_is_seen_to_go_first_by_age() {
        let overtaken = |line: &[Entry], ours| overtaken_by_age(line, ours).collect::<Vec<_>>();
        let mut line = [entry(1, 1, Priority::Low), entry(2, 2, Priority::Low), entry(9, 2, Priority::Urgent)];
        assert_eq!(overtaken(&line, 2), [0; 0]);
        (line[0].standing.passed, line[1].standing.passed) = (PASSED_MAX, PASSED_MAX);
        assert_eq!(turn(&line, 2), Turn::Behind { ahead: 0, ours: 1 });
        // Whoever slept on process 2 did so for its urgent ticket, which is not its earliest any more.
        assert_eq!(overtaken(&line, 1), [1]);
        line[2].standing.priority = Priority::Low;
        assert_eq!(overtaken(&line, 1), [0; 0], "it went first anyway");
    }
}
