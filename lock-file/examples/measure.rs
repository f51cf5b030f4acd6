//! Measures the file backend against its neighbours on this machine: `cargo run --release -p lock-file --example measure`.
//!
//! Prints medians: an uncontended acquire and release beside raw fs2 and fd-lock in the same run, the handover between
//! processes beside blocking flock(2), the handover with a short and a long line, and the CPU of waiting processes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails may panic, and prints")]

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use lock_core::{
    AcquireOptions, BlockingLock, DistributedLock, Entered, FencingToken, LockKey, Moment, Owner, Priority, Request,
    RequestId, SecretHash, Waited, flock,
};
use lock_file::{FileConfig, FileLock};

const RUNS: usize = 5000;
const TURNS: usize = 100;
/// Between two turns, so that each asks anew while the next one already waits.
const THINK: Duration = Duration::from_micros(200);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("turns") => take_turns(Path::new(&arguments[2]), &arguments[3]),
        Some("wait") => wait_in_line(Path::new(&arguments[2]), arguments[3].parse().unwrap()),
        _ => {
            uncontended();
            handover();
            long_lines();
            cpu_of_waiters();
        }
    }
}

fn key() -> LockKey {
    LockKey::new("measure").unwrap()
}

fn open(dir: &Path) -> Arc<dyn DistributedLock> {
    Arc::new(FileLock::open(FileConfig::new(dir)).unwrap())
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(300))
}

fn request(id: u128) -> Request {
    Request {
        id: RequestId(id),
        owner: Owner::current("measure"),
        priority: Priority::Normal,
        ttl: Duration::from_secs(10),
        floor: FencingToken(0),
        secret_hash: SecretHash([0; 32]),
        number: None,
    }
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn timed(mut run: impl FnMut()) -> Duration {
    let sample = |_| {
        let began = Moment::now();
        run();
        began.elapsed()
    };
    median((0..RUNS).map(sample).collect())
}

fn uncontended() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (lock, key) = (open(folder.path()), key());
    let mut request = request(0);
    let backend = timed(|| {
        runtime.block_on(async {
            request.id.0 += 1;
            let Entered::Granted(lease) = lock.enter(&key, &request).await.unwrap() else { unreachable!("free") };
            lock.release(&lease).await.unwrap();
        });
    });
    let blocking = BlockingLock::new(Arc::clone(&lock));
    let guard = timed(|| blocking.acquire(&key, &options()).unwrap().release().unwrap());
    let path = folder.path().join("raw");
    let opened = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
    let fs2 = timed(|| {
        let file = opened();
        assert!(flock::try_exclusive(&file).unwrap());
        flock::unlock(&file).unwrap();
    });
    let fd_lock = timed(|| drop(fd_lock::RwLock::new(opened()).try_write().unwrap()));
    let ratio = backend.as_secs_f64() / fs2.as_secs_f64();
    println!("uncontended: backend {backend:?}, guard {guard:?}, fs2 {fs2:?}, fd-lock {fd_lock:?}, {ratio:.1} x fs2");
}

/// A process that holds `TURNS` times, and says when it had it: `since until` per turn.
fn take_turns(dir: &Path, how: &str) {
    let mut turns = Vec::with_capacity(TURNS);
    let mut go = String::new();
    println!("ready");
    std::io::stdin().read_line(&mut go).unwrap();
    if how == "flock" {
        let gate =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join("raw")).unwrap();
        for _ in 0..TURNS {
            flock::exclusive(&gate).unwrap();
            turns.push(hold());
            flock::unlock(&gate).unwrap();
            std::thread::sleep(THINK);
        }
    } else {
        let lock = BlockingLock::new(open(dir));
        for _ in 0..TURNS {
            let guard = lock.acquire(&key(), &options()).unwrap();
            turns.push(hold());
            guard.release().unwrap();
            std::thread::sleep(THINK);
        }
    }
    for (since, until) in turns {
        println!("{since} {until}");
    }
}

fn hold() -> (u64, u64) {
    let since = Moment::now();
    while since.elapsed() < Duration::from_micros(300) {
        std::hint::spin_loop();
    }
    (since.since_boot_ns(), Moment::now().since_boot_ns())
}

fn handover() {
    for processes in [2, 4, 8] {
        let [ours, raw] = ["talkstick", "flock"].map(|how| {
            let folder = tempfile::tempdir().unwrap();
            gaps(folder.path(), how, processes)
        });
        let ratio = ours.as_secs_f64() / raw.as_secs_f64();
        println!("handover between {processes} processes: {ours:?}, blocking flock(2) {raw:?}, {ratio:.1} x");
    }
}

/// The median time from one process's letting go to another one's holding.
fn gaps(dir: &Path, how: &str, processes: usize) -> Duration {
    let mut children: Vec<Child> = (0..processes).map(|_| start("turns", dir, how)).collect();
    let mut readers: Vec<_> = children.iter_mut().map(|c| BufReader::new(c.stdout.take().unwrap())).collect();
    for reader in &mut readers {
        reader.read_line(&mut String::new()).unwrap();
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    let mut turns = Vec::new();
    for (process, (reader, child)) in readers.into_iter().zip(&mut children).enumerate() {
        for line in reader.lines().map(Result::unwrap) {
            let (since, until) = line.split_once(' ').unwrap();
            turns.push((since.parse::<u64>().unwrap(), until.parse::<u64>().unwrap(), process));
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(turns.len(), processes * TURNS);
    turns.sort_unstable();
    let mut gaps = Vec::new();
    for pair in turns.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two holders at once");
        if pair[0].2 != pair[1].2 {
            gaps.push(Duration::from_nanos(pair[1].0 - pair[0].1));
        }
    }
    median(gaps)
}

/// The handover between two clients while others wait behind them.
fn long_lines() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let rounds = |waiting, rounds| {
        let gaps = (0..rounds).flat_map(|_| runtime.block_on(handover_with(waiting)));
        median(gaps.collect())
    };
    let (short, long) = (rounds(8, 50), rounds(1000, 1));
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    println!("handover with 8 in line: {short:?}, with 1000: {long:?}, {ratio:.2} x");
}

/// Eight clients, each as if it were a process of its own, share the line.
async fn handover_with(waiting: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..8).map(|_| open(folder.path())).collect();
    let key = key();
    let Entered::Granted(mut lease) = clients[0].enter(&key, &request(1)).await.unwrap() else { unreachable!("free") };
    let mut tickets = Vec::new();
    for i in 0..waiting {
        let entered = clients[(i + 1) % 8].enter(&key, &request(2 + i as u128)).await.unwrap();
        let Entered::Queued(ticket, _) = entered else { unreachable!("held") };
        tickets.push(ticket);
    }
    let mut gaps = Vec::new();
    let mut holder = 0;
    for (i, ticket) in tickets.iter().enumerate() {
        let next = Arc::clone(&clients[(i + 1) % 8]);
        let (moved, until) = (ticket.clone(), Moment::now() + Duration::from_secs(60));
        let waiter = tokio::spawn(async move {
            let Waited::Granted(lease) = next.wait(&moved, until).await.unwrap() else { unreachable!("in time") };
            (lease, Moment::now())
        });
        // The one behind has found its place to sleep.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let released = Moment::now();
        clients[holder].release(&lease).await.unwrap();
        let (granted, at) = waiter.await.unwrap();
        // As long as the line is about as long as it was.
        if i < waiting.div_ceil(2).min(200) {
            gaps.push(at - released);
        }
        (lease, holder) = (granted, (i + 1) % 8);
        if i > 250 {
            break;
        }
    }
    gaps
}

/// A process that stands in line, and says how much CPU that cost in the last seconds.
fn wait_in_line(dir: &Path, seconds: u64) {
    let lock = open(dir);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ticket = runtime.block_on(async {
        let Entered::Queued(ticket, _) = lock.enter(&key(), &request(u128::from(std::process::id()))).await.unwrap()
        else {
            unreachable!("held")
        };
        ticket
    });
    // The first sweeps start threads and load code: that is the start of the process, not waiting.
    runtime.block_on(async { lock.wait(&ticket, Moment::now() + Duration::from_millis(300)).await.unwrap() });
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let before = cpu();
    runtime.block_on(async { lock.wait(&ticket, Moment::now() + Duration::from_secs(seconds)).await.unwrap() });
    println!("{}", (cpu() - before).as_micros());
    // All stay in line until all have measured.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

fn cpu_of_waiters() {
    let folder = tempfile::tempdir().unwrap();
    let lock = BlockingLock::new(open(folder.path()));
    let guard = lock.acquire(&key(), &options()).unwrap();
    let mut children: Vec<Child> = (0..100).map(|_| start("wait", folder.path(), "10")).collect();
    let mut readers: Vec<_> = children.iter_mut().map(|c| BufReader::new(c.stdout.take().unwrap())).collect();
    let mut line = String::new();
    readers.iter_mut().for_each(|r| assert!(r.read_line(&mut line).unwrap() > 0));
    children.iter_mut().for_each(|c| c.stdin.as_mut().unwrap().write_all(b"go\n").unwrap());
    let mut micros = 0;
    for reader in &mut readers {
        line.clear();
        reader.read_line(&mut line).unwrap();
        micros += line.trim().parse::<u64>().unwrap();
    }
    children.iter_mut().for_each(|c| c.kill().unwrap());
    children.iter_mut().for_each(|c| assert!(!c.wait().unwrap().success()));
    guard.release().unwrap();
    println!("CPU of 100 waiting processes in 10 s: {:?} in all", Duration::from_micros(micros));
}

fn start(task: &str, dir: &Path, argument: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([task, dir.to_str().unwrap(), argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
