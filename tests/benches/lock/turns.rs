//! Processes that take turns: ours, blocking flock(2), and a relay without a lock.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use lock_core::{AcquireOptions, BlockingLock, LockKey, Moment, flock};

use crate::{
    measure::{compare, figure, median},
    redis, store,
};

const HOLD: Duration = Duration::from_millis(2);

/// One turn, nanoseconds on the host's clock. `ticket` is zero where there are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) since_ns: u64,
    pub(crate) until_ns: u64,
    pub(crate) ticket: u64,
    pub(crate) process: usize,
}

/// The body of a process that locks: `WHOSE FOLDER TURNS HOLD_US INDEX COUNT`. Starts at a line on standard input, reports
/// at the end.
pub(crate) fn take_turns(arguments: impl Iterator<Item = String>) {
    let arguments: Vec<String> = arguments.collect();
    let [whose, folder, numbers @ ..] = &arguments[..] else { panic!("WHOSE FOLDER ...") };
    let numbers: Vec<usize> = numbers.iter().map(|n| n.parse().expect("a number")).collect();
    let [turns, hold_us, index, count] = numbers[..] else { panic!("... TURNS HOLD_US INDEX COUNT") };
    let (folder, hold) = (Path::new(folder), Duration::from_micros(hold_us as u64));
    let taken = match whose.as_str() {
        "flock" => flock_turns(folder, turns, hold),
        "relay" => relay_turns(folder, turns, hold, (index, count)),
        server if server.starts_with(redis::RSLOCK) => redis::rslock_turns(server, turns, hold),
        server if server.starts_with(redis::LISTS) => redis::list_turns(server, turns, hold, (index, count)),
        store => our_turns(store, folder, turns, hold),
    };
    for (since, until, ticket) in taken {
        crate::measure::say(&format!("{since} {until} {ticket}"));
    }
}

/// Holds, and says from when to when.
pub(crate) fn held(hold: Duration) -> (u64, u64) {
    let since = Moment::now().since_boot_ns();
    std::thread::sleep(hold);
    (since, Moment::now().since_boot_ns())
}

fn our_turns(store: &str, folder: &Path, turns: usize, hold: Duration) -> Vec<(u64, u64, u64)> {
    let (lock, key) = (BlockingLock::new(store::open(store, folder)), LockKey::new("bench").expect("a key"));
    let options = AcquireOptions::default().without_timeout();
    started();
    let turn = |_| {
        let guard = lock.acquire(&key, &options).expect("acquired");
        let ((since, until), ticket) = (held(hold), guard.lease().ticket);
        guard.release().expect("released");
        (since, until, ticket)
    };
    (0..turns).map(turn).collect()
}

fn flock_turns(folder: &Path, turns: usize, hold: Duration) -> Vec<(u64, u64, u64)> {
    let file = File::create(folder.join("baseline")).expect("a file");
    started();
    let turn = |_| {
        flock::exclusive(&file).expect("locked");
        let (since, until) = held(hold);
        flock::unlock(&file).expect("unlocked");
        (since, until, 0)
    };
    (0..turns).map(turn).collect()
}

/// No lock at all: each process wakes a certain other one through a pipe, and sleeps. What order costs at the least.
fn relay_turns(folder: &Path, turns: usize, hold: Duration, (index, count): (usize, usize)) -> Vec<(u64, u64, u64)> {
    let pipe = |index: usize| {
        File::options().read(true).write(true).open(folder.join(index.to_string())).expect("a pipe made by mkfifo(1)")
    };
    let (mut ours, mut next) = (pipe(index), pipe((index + 1) % count));
    started();
    if index == 0 {
        ours.write_all(b"1").expect("written");
    }
    let turn = |_| {
        ours.read_exact(&mut [0]).expect("read");
        let (since, until) = held(hold);
        next.write_all(b"1").expect("written");
        (since, until, 0)
    };
    (0..turns).map(turn).collect()
}

/// Says that it is ready, and waits until it is told to begin.
pub(crate) fn started() {
    crate::measure::say("ready");
    let _told = std::io::stdin().read(&mut [0]).expect("standard input");
}

/// Processes that lock, killed and reaped when dropped.
pub(crate) struct Turns {
    pub(crate) children: Vec<Child>,
    lines: Vec<BufReader<std::process::ChildStdout>>,
}

impl Turns {
    /// Starts `count` processes and waits until all are ready.
    pub(crate) fn ready(whose: &str, folder: &Path, count: usize, turns: usize, hold: Duration) -> Self {
        let (mut children, mut lines) = (Vec::new(), Vec::new());
        for index in 0..count {
            let numbers = [turns, hold.as_micros() as usize, index, count].map(|number| number.to_string());
            let mut child = Command::new(std::env::current_exe().expect("own path"))
                .args(["--turns", whose, &folder.to_string_lossy()])
                .args(numbers)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("started");
            lines.push(BufReader::new(child.stdout.take().expect("piped")));
            children.push(child);
        }
        let mut turns = Self { children, lines };
        turns.lines.iter_mut().for_each(|lines| assert_eq!(next_line(lines).as_deref(), Some("ready")));
        turns
    }

    /// Lets one process start.
    pub(crate) fn start(&mut self, process: usize) {
        self.children[process].stdin.as_mut().expect("piped").write_all(b"\n").expect("it listens");
    }

    /// All turns, in the order in which they were held.
    pub(crate) fn finish(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (process, lines) in self.lines.iter_mut().enumerate() {
            while let Some(line) = next_line(lines) {
                let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
                let [since_ns, until_ns, ticket] = numbers[..] else { panic!("malformed line `{line}`") };
                turns.push(Turn { since_ns, until_ns, ticket, process });
            }
        }
        turns.sort_unstable_by_key(|turn| turn.since_ns);
        turns
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _already_ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn next_line(lines: &mut BufReader<std::process::ChildStdout>) -> Option<String> {
    let mut line = String::new();
    let read = lines.read_line(&mut line).expect("readable");
    (read > 0).then(|| line.trim_end().to_owned())
}

/// From the end of each hold to the start of the next one in another process.
pub(crate) fn handovers(turns: &[Turn]) -> Vec<Duration> {
    let pairs = turns.windows(2).filter(|pair| pair[0].process != pair[1].process);
    pairs
        .map(|pair| {
            assert!(pair[0].until_ns <= pair[1].since_ns, "two holders at once: {pair:?}");
            Duration::from_nanos(pair[1].since_ns - pair[0].until_ns)
        })
        .collect()
}

fn run(whose: &str, hold: Duration) -> Vec<Turn> {
    let folder = tempfile::tempdir().expect("a folder");
    if whose == "relay" {
        let pipes = (0..8).map(|index| folder.path().join(index.to_string()));
        assert!(Command::new("mkfifo").args(pipes).status().expect("mkfifo(1)").success());
    }
    let mut processes = Turns::ready(whose, folder.path(), 8, 40, hold);
    (0..8).for_each(|process| processes.start(process));
    processes.finish()
}

/// On files, or rows: beside flock(2), and a relay by pipes.
pub(crate) fn measure(store: &str) {
    measure_beside(store, ("flock(2)", "flock"), ("relay by pipes", "relay"));
}

/// Five runs of each, in turn. Of the two that it is measured beside, the latter is what order costs at the least.
pub(crate) fn measure_beside(store: &str, (rival_name, rival): (&str, &str), (floor_name, floor): (&str, &str)) {
    let (mut ours, mut theirs, mut relay, mut inversions, mut totals) = (vec![], vec![], vec![], 0, vec![]);
    for _ in 0..5 {
        let turns = run(store, HOLD);
        inversions += turns.windows(2).filter(|pair| pair[0].ticket > pair[1].ticket).count();
        let whole_ns = turns[turns.len() - 1].until_ns - turns[0].since_ns;
        let held_ns: u64 = turns.iter().map(|turn| turn.until_ns - turn.since_ns).sum();
        totals.push(whole_ns as f64 / held_ns as f64);
        ours.extend(handovers(&turns));
        theirs.extend(handovers(&run(rival, HOLD)));
        relay.extend(handovers(&run(floor, HOLD)));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    compare("handover, 2 ms holds", ours, rival_name, theirs);
    compare("handover, 2 ms holds", ours, floor_name, median(relay));
    figure("grants out of ticket order", &inversions.to_string());
    totals.sort_unstable_by(f64::total_cmp);
    figure("whole run against its holds added up", &format!("{:.3}", totals[totals.len() / 2]));
}
