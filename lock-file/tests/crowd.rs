//! Many processes at one lock: no overlap, growing tokens, the order of asking, urgent first.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lock_core::{
    AcquireOptions, BlockingLock, DistributedLock, Lease, LockEvent, LockKey, Moment, Observer,
    conformance::a_long_line_is_granted_in_order,
};
use lock_file::{FileConfig, FileLock};
use tests::role::role;

const MEMBER: &str = "TALKSTICK_TEST_MEMBER";
const PROCESSES: usize = 8;
const TURNS: usize = 50;

fn key() -> LockKey {
    LockKey::new("crowd").unwrap()
}

fn open(dir: &Path) -> Arc<dyn DistributedLock> {
    Arc::new(FileLock::open(FileConfig::new(dir)).unwrap())
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(60))
}

/// One turn as its process saw it, in nanoseconds of the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// When it was known to stand in line; `u64::MAX` if it never did.
    queued: u64,
    since: u64,
    until: u64,
    token: u64,
    ticket: u64,
}

/// Not a test of its own: one process of the crowd. Takes its turns, then says when it had them. When told to, it comes back
/// once with the place of each.
#[test]
fn member() {
    let Some(dir) = std::env::var_os(MEMBER) else { return };
    let lock = BlockingLock::new(open(Path::new(&dir)));
    println!("\nREADY");
    let mut told = String::new();
    std::io::stdin().read_line(&mut told).unwrap();
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let (turn, lease) = take_turn(&lock, options());
        turns.push(turn);
        if told == "come back\n" {
            turns.push(take_turn(&lock, options().place_of(&lease)).0);
        }
    }
    for Turn { queued, since, until, token, ticket } in turns {
        println!("TURN {queued} {since} {until} {token} {ticket}");
    }
}

fn take_turn(lock: &BlockingLock, options: AcquireOptions) -> (Turn, Lease) {
    let queued = Arc::new(AtomicU64::new(u64::MAX));
    let seen = Arc::clone(&queued);
    let observer = Observer::new(move |event| {
        if matches!(event, LockEvent::Queued { .. }) {
            seen.fetch_min(Moment::now().since_boot_ns(), Ordering::Relaxed);
        }
    });
    let guard = lock.acquire(&key(), &options.observer(observer)).unwrap();
    let since = Moment::now().since_boot_ns();
    let lease = guard.lease().clone();
    let until = Moment::now().since_boot_ns();
    guard.release().unwrap();
    let queued = queued.load(Ordering::Relaxed);
    (Turn { queued, since, until, token: lease.token.0, ticket: lease.ticket }, lease)
}

fn start(dir: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = role("member").env(MEMBER, dir).spawn().unwrap();
    let reader = BufReader::new(child.stdout.take().unwrap());
    (child, reader)
}

/// All turns of a crowd, in the order in which they were held: without overlap, under growing tokens.
fn turns_of_a_crowd(told: &str) -> Vec<Turn> {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd: Vec<_> = (0..PROCESSES).map(|_| start(folder.path())).collect();
    for (_, reader) in &mut crowd {
        assert!(std::io::Read::by_ref(reader).lines().any(|line| line.unwrap() == "READY"));
    }
    crowd.iter_mut().for_each(|(child, _)| child.stdin.as_mut().unwrap().write_all(told.as_bytes()).unwrap());
    let mut turns: Vec<Turn> = Vec::new();
    for (mut child, reader) in crowd {
        for line in reader.lines().map(Result::unwrap) {
            let Some(turn) = line.strip_prefix("TURN ") else { continue };
            let numbers: Vec<u64> = turn.split(' ').map(|n| n.parse().unwrap()).collect();
            let [queued, since, until, token, ticket] = numbers[..] else { panic!("malformed `{line}`") };
            turns.push(Turn { queued, since, until, token, ticket });
        }
        assert!(child.wait().unwrap().success());
    }
    turns.sort_unstable_by_key(|turn| turn.since);
    for pair in turns.windows(2) {
        assert!(pair[0].until <= pair[1].since, "two holders at once: {pair:?}");
        assert!(pair[0].token < pair[1].token, "tokens do not grow: {pair:?}");
    }
    turns
}

#[test]
fn processes_take_turns_without_overlap_and_in_the_order_of_their_tickets() {
    let turns = turns_of_a_crowd("go\n");
    assert_eq!(turns.len(), PROCESSES * TURNS);
    let ordered = turns.windows(2).all(|pair| pair[0].ticket < pair[1].ticket);
    assert!(ordered, "granted out of the order of asking");
}

#[test]
fn processes_that_come_back_go_before_all_that_asked_later() {
    let turns = turns_of_a_crowd("come back\n");
    assert_eq!(turns.len(), 2 * PROCESSES * TURNS);
    let mut tickets: Vec<u64> = turns.iter().map(|turn| turn.ticket).collect();
    tickets.sort_unstable();
    assert!(tickets.chunks(2).all(|pair| pair[0] == pair[1]), "each came back with its number");
    for (at, pair) in turns.windows(2).enumerate() {
        // Who stood in line before the last holder began to let go, with a lower number, had to be next.
        let before = |turn: &&Turn| turn.ticket < pair[1].ticket && turn.queued < pair[0].until;
        assert_eq!(turns[at + 2..].iter().find(before).map(|turn| (turn, pair)), None);
    }
}

/// Tasks of one process and clients that are like processes, mixed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_are_granted_in_order_and_urgent_ones_first() {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..10).map(|_| open(folder.path())).collect();
    a_long_line_is_granted_in_order(&clients, &key(), 1000).await;
}
