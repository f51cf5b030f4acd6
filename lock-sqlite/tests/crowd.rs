//! Many processes at one lock: no overlap, growing tokens, the order of asking, urgent first, also while some are killed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout},
    sync::Arc,
    time::Duration,
};

use lock_core::{
    AcquireOptions, BlockingLock, DistributedLock, LockKey, Moment, Sweep, conformance::a_long_line_is_granted_in_order,
};
use lock_sqlite::{SqliteConfig, SqliteLock};
use tests::role::role;

const MEMBER: &str = "TALKSTICK_TEST_MEMBER";
const PROCESSES: usize = 8;
const TURNS: usize = 50;

fn key() -> LockKey {
    LockKey::new("crowd").unwrap()
}

/// A client whose waiters never look for themselves: a lost wake-up is not made good.
fn open(folder: &Path) -> Arc<dyn DistributedLock> {
    let mut config = SqliteConfig::new(folder.join("locks.sqlite"));
    config.sweep = Sweep::out_of_reach();
    Arc::new(SqliteLock::open(config).unwrap())
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(60))
}

/// Not a test of its own: one process of the crowd. Says each turn when it is over, or for a long life, until it is killed.
#[test]
fn member() {
    let Some(folder) = std::env::var_os(MEMBER) else { return };
    let lock = BlockingLock::new(open(Path::new(&folder)));
    println!("\nREADY");
    let mut told = String::new();
    std::io::stdin().read_line(&mut told).unwrap();
    let turns = if told.trim() == "for ever" { usize::MAX } else { TURNS };
    for _ in 0..turns {
        let guard = lock.acquire(&key(), &options()).unwrap();
        let since = Moment::now().since_boot_ns();
        let (token, ticket) = (guard.token().0, guard.lease().ticket);
        if turns == usize::MAX {
            // At once: it may be killed while it holds, and then its turn must be known.
            println!("SINCE {since} {token}");
        }
        let until = Moment::now().since_boot_ns();
        guard.release().unwrap();
        println!("TURN {since} {until} {token} {ticket}");
    }
}

struct Member {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Member {
    fn start(folder: &Path) -> Self {
        let mut child = role("member").env(MEMBER, folder).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn until_ready(&mut self) {
        assert!(std::io::Read::by_ref(&mut self.lines).lines().any(|line| line.unwrap() == "READY"));
    }

    /// The beginning and the token of its first turn.
    fn first_turn(&mut self) -> Vec<u64> {
        let mut lines = std::io::Read::by_ref(&mut self.lines).lines().map(Result::unwrap);
        lines.find_map(|line| Self::numbers(&line, "SINCE ")).unwrap()
    }

    fn tell(&mut self, what: &str) {
        self.child.stdin.as_mut().unwrap().write_all(what.as_bytes()).unwrap();
    }

    fn numbers(line: &str, kind: &str) -> Option<Vec<u64>> {
        // A killed process may have ended in the middle of a line.
        line.strip_prefix(kind)?.split(' ').map(|number| number.parse().ok()).collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn processes_take_turns_without_overlap_and_in_the_order_of_their_tickets() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd: Vec<_> = (0..PROCESSES).map(|_| Member::start(folder.path())).collect();
    crowd.iter_mut().for_each(Member::until_ready);
    crowd.iter_mut().for_each(|member| member.tell("go\n"));
    let mut turns: Vec<[u64; 4]> = Vec::new();
    for mut member in crowd {
        for line in std::io::Read::by_ref(&mut member.lines).lines().map(Result::unwrap) {
            turns.extend(Member::numbers(&line, "TURN ").map(|numbers| <[u64; 4]>::try_from(numbers).unwrap()));
        }
        assert!(member.child.wait().unwrap().success());
    }
    assert_eq!(turns.len(), PROCESSES * TURNS);
    turns.sort_unstable();
    for pair in turns.windows(2) {
        let ([_, until, token, ticket], [since, _, next_token, next_ticket]) = (pair[0], pair[1]);
        assert!(until <= since, "two holders at once: {pair:?}");
        assert!(token < next_token, "tokens do not grow: {pair:?}");
        assert!(ticket < next_ticket, "granted out of the order of asking: {pair:?}");
    }
}

/// Killed wherever they are by then: asleep, in a transaction, between the two, as holders. Whoever is left is woken by each
/// death, and goes on; every turn that was begun is over before the next one begins.
#[test]
fn killed_processes_cost_no_exclusion_no_order_of_tokens_and_no_wake_up() {
    const KILLED: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let mut crowd: Vec<_> = (0..KILLED).map(|_| Member::start(folder.path())).collect();
    crowd.iter_mut().for_each(Member::until_ready);
    crowd.iter_mut().for_each(|member| member.tell("for ever\n"));
    let survivor = BlockingLock::new(open(folder.path()));
    let (mut since, mut turns) = (Vec::new(), Vec::new());
    // All take part before the first one is killed.
    since.extend(crowd.iter_mut().map(Member::first_turn));
    while let Some(mut member) = crowd.pop() {
        // Each after another number of our own turns, so that the kills fall anywhere.
        for _ in 0..crowd.len() % 3 + 1 {
            let guard = survivor.acquire(&key(), &options()).unwrap();
            let (begun, token) = (Moment::now().since_boot_ns(), guard.token().0);
            let over = Moment::now().since_boot_ns();
            guard.release().unwrap();
            turns.push([begun, over, token]);
        }
        member.child.kill().unwrap();
        survivor.acquire(&key(), &options()).unwrap().release().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut member.lines, &mut text).unwrap();
        for line in text.lines() {
            if let Some(turn) = Member::numbers(line, "TURN ").filter(|turn| turn.len() == 4) {
                turns.push([turn[0], turn[1], turn[2]]);
            }
            since.extend(Member::numbers(line, "SINCE ").filter(|begun| begun.len() == 2));
        }
    }
    // Whoever was killed as a holder held until then at the least from when it said so.
    let known: std::collections::HashSet<u64> = turns.iter().map(|turn| turn[2]).collect();
    turns.extend(since.iter().filter(|begun| !known.contains(&begun[1])).map(|begun| [begun[0], begun[0], begun[1]]));
    turns.sort_unstable();
    assert!(turns.len() > 10 * KILLED, "{} turns are no crowd", turns.len());
    for pair in turns.windows(2) {
        assert!(pair[0][1] <= pair[1][0], "two holders at once: {pair:?}");
        assert!(pair[0][2] < pair[1][2], "tokens do not grow: {pair:?}");
    }
    let state = survivor.inspect(&key()).unwrap();
    assert!(state.queue.is_empty() && state.holder == lock_core::Holder::Free, "{state}");
}

/// Tasks of one process and clients that are like processes, mixed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_are_granted_in_order_and_urgent_ones_first() {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..10).map(|_| open(folder.path())).collect();
    a_long_line_is_granted_in_order(&clients, &key(), 1000).await;
}
