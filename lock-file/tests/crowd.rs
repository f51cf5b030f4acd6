//! Many processes at one lock: no overlap, growing tokens, the order of asking, urgent first.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use lock_core::{AcquireOptions, BlockingLock, DistributedLock, DistributedLockExt, LockKey, Moment, Priority};
use lock_file::{FileConfig, FileLock};

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

/// Not a test of its own: one process of the crowd. Takes its turns, then says when it had them.
#[test]
fn member() {
    let Some(dir) = std::env::var_os(MEMBER) else { return };
    let lock = BlockingLock::new(open(Path::new(&dir)));
    println!("\nREADY");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let guard = lock.acquire(&key(), &options()).unwrap();
        let since = Moment::now().since_boot_ns();
        let lease = (guard.token().0, guard.lease().ticket);
        let until = Moment::now().since_boot_ns();
        guard.release().unwrap();
        turns.push((since, until, lease));
    }
    for (since, until, (token, ticket)) in turns {
        println!("TURN {since} {until} {token} {ticket}");
    }
}

fn start(dir: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "member", "--nocapture", "--test-threads=1"])
        .env(MEMBER, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = BufReader::new(child.stdout.take().unwrap());
    (child, reader)
}

#[test]
fn processes_take_turns_without_overlap_and_in_the_order_of_their_tickets() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd: Vec<_> = (0..PROCESSES).map(|_| start(folder.path())).collect();
    for (_, reader) in &mut crowd {
        assert!(std::io::Read::by_ref(reader).lines().any(|line| line.unwrap() == "READY"));
    }
    crowd.iter_mut().for_each(|(child, _)| child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap());
    let mut turns: Vec<[u64; 4]> = Vec::new();
    for (mut child, reader) in crowd {
        for line in reader.lines().map(Result::unwrap) {
            let Some(turn) = line.strip_prefix("TURN ") else { continue };
            let numbers: Vec<u64> = turn.split(' ').map(|n| n.parse().unwrap()).collect();
            turns.push(numbers.try_into().unwrap());
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(turns.len(), PROCESSES * TURNS);
    turns.sort_unstable();
    for pair in turns.windows(2) {
        let [(_, until, token, ticket), (since, _, next_token, next_ticket)] =
            [pair[0], pair[1]].map(|[since, until, token, ticket]| (since, until, token, ticket));
        assert!(until <= since, "two holders at once");
        assert!(token < next_token, "tokens do not grow");
        assert!(ticket < next_ticket, "granted out of the order of asking");
    }
}

/// Tasks of one process and clients that are like processes, mixed: a thousand in line, granted in their order.
#[test]
fn a_thousand_waiters_are_granted_in_order_and_urgent_ones_first() {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..10).map(|_| open(folder.path())).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let granted = runtime.block_on(async {
        let guard = clients[0].acquire(&key(), &options()).await.unwrap();
        let (order, mut granted) = tokio::sync::mpsc::unbounded_channel();
        for i in 0..1000 {
            let (client, order) = (Arc::clone(&clients[i % 10]), order.clone());
            let (queued, in_line) = tokio::sync::oneshot::channel();
            let queued = std::sync::Mutex::new(Some(queued));
            let observer = lock_core::Observer::new(move |event| {
                if matches!(event, lock_core::LockEvent::Queued { .. })
                    && let Some(queued) = queued.lock().unwrap().take()
                {
                    queued.send(()).unwrap();
                }
            });
            let priority = if i == 999 { Priority::Urgent } else { Priority::Normal };
            tokio::spawn(async move {
                let options = options().priority(priority).observer(observer);
                let guard = client.acquire(&key(), &options).await.unwrap();
                order.send((i, guard.token())).unwrap();
                guard.release().await.unwrap();
            });
            in_line.await.unwrap();
        }
        guard.release().await.unwrap();
        let mut all = Vec::new();
        while all.len() < 1000 {
            all.push(granted.recv().await.unwrap());
        }
        assert!(clients[0].inspect(&key()).await.unwrap().queue.is_empty());
        all
    });
    assert!(granted.windows(2).all(|pair| pair[0].1 < pair[1].1), "tokens grow");
    let order: Vec<usize> = granted.into_iter().map(|(i, _)| i).collect();
    assert_eq!(order, std::iter::once(999).chain(0..999).collect::<Vec<_>>());
}
