//! What a flood must not have shown.

use std::{fmt, time::Duration};

/// One turn, in nanoseconds of the host's clock.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Turn {
    pub(super) asked: u64,
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) token: u64,
    pub(super) ticket: u64,
}

/// What a process had in memory halfway and when its first task had done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) half_kib: u64,
    pub(super) end_kib: u64,
}

/// What a process may grow in the second half: the allocator's pages, and what its tasks note in the room they have.
const GROWTH_KIB_MAX: u64 = 4096;

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, since, until, token, ticket } = self;
        write!(f, "{asked} {since} {until} {token} {ticket}")
    }
}

impl Turn {
    pub(super) fn from_numbers(numbers: &[u64]) -> Self {
        let [asked, since, until, token, ticket] = *numbers else { panic!("malformed {numbers:?}") };
        Self { asked, since, until, token, ticket }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.half_kib, self.end_kib)
    }
}

impl Memory {
    pub(super) fn from_numbers(numbers: &[u64]) -> Self {
        let [half_kib, end_kib] = *numbers else { panic!("malformed {numbers:?}") };
        Self { half_kib, end_kib }
    }

    /// What this process has in memory.
    pub(super) fn now_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// Whether the backend says in which order it grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Promised,
    /// Then nobody is promised a share either: it is printed, and everybody has had a turn at least.
    NotPromised,
}

/// No overlap, tokens grow, nobody starves, memory is flat.
///
/// The fair share of a line is one turn for each task that stands in it. How long that takes is the machine's; how many
/// others were served meanwhile is ours.
#[allow(clippy::print_stdout, reason = "a flood says what it has shown")]
pub(super) fn judge(name: &str, mut turns: Vec<Turn>, memory: &[Memory], tasks: usize, order: Order) {
    turns.sort_unstable_by_key(|turn| turn.since);
    assert!(turns.len() >= tasks, "{name}: {} turns of {tasks} tasks", turns.len());
    for pair in turns.windows(2) {
        assert!(pair[0].until <= pair[1].since, "{name}: two holders at once: {pair:?}");
        assert!(pair[0].token < pair[1].token, "{name}: tokens do not grow: {pair:?}");
    }
    let served_before = |at: usize| at - turns.partition_point(|turn| turn.since < turns[at].asked);
    let most = (0..turns.len()).map(served_before).max().unwrap_or(0);
    let longest = turns.iter().map(|turn| turn.since - turn.asked).max().unwrap_or(0);
    let span = turns[turns.len() - 1].until - turns[0].since;
    let fair = span as f64 / turns.len() as f64 * tasks as f64;
    let pause = turns.windows(2).map(|pair| (pair[1].since - pair[0].until, pair[0].until)).max().unwrap_or((0, 0));
    let growth = memory.iter().map(|m| m.end_kib.saturating_sub(m.half_kib)).max().unwrap_or(0);
    let inversions = turns.windows(2).filter(|pair| pair[0].ticket > pair[1].ticket).count();
    println!(
        "{name}: {tasks} tasks in {} processes, {} turns in {:.1?}; longest wait {:.2?}, {:.2} of the fair share {:.2?}; at \
         most {most} others served before ({:.2} of the fair share); longest pause of the whole line {:.2?}, {:.1?} after the \
         first grant; {inversions} grants out of ticket order; memory of a process up to {} KiB, grown by at most {growth} KiB",
        memory.len(),
        turns.len(),
        Duration::from_nanos(span),
        Duration::from_nanos(longest),
        longest as f64 / fair,
        Duration::from_nanos(fair as u64),
        most as f64 / tasks as f64,
        Duration::from_nanos(pause.0),
        Duration::from_nanos(pause.1 - turns[0].since),
        memory.iter().map(|m| m.end_kib).max().unwrap_or(0),
    );
    assert!(
        order == Order::NotPromised || most <= 2 * tasks,
        "{name}: one waited while {most} others were served, of {tasks}"
    );
    assert!(growth <= GROWTH_KIB_MAX, "{name}: a process has grown by {growth} KiB");
}
