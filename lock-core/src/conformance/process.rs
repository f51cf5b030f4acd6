//! Other processes for the cases: the test binary started again as holder or waiter, driven by lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{Harness, fixture::options};
use crate::{BlockingLock, LockKey, Moment, Priority};

/// Set in a process that the suite started: `address TAB key TAB label TAB priority TAB turns`.
pub const PROCESS_VARIABLE: &str = "TALKSTICK_CONFORMANCE";

/// Marks our lines among the test harness's own.
const MARK: &str = "TALKSTICK ";

/// The body of the test that other processes are: acquires, says so, and lets go when told. Does nothing unless the suite
/// started it.
///
/// # Panics
/// When the lock fails; the suite sees the process end.
pub fn process<H: Harness>() {
    let Ok(task) = std::env::var(PROCESS_VARIABLE) else { return };
    let parts: Vec<&str> = task.split('\t').collect();
    let [address, key, label, priority, turns] = parts[..] else { panic!("malformed {PROCESS_VARIABLE}") };
    let lock = BlockingLock::new(H::open(address));
    let key = LockKey::new(key).expect("a key");
    let options = options().label(label).priority(priority.parse().expect("a priority"));
    for _ in 0..turns.parse().expect("a number of turns") {
        let guard = lock.acquire(&key, &options).expect("acquired");
        let since = Moment::now().since_boot_ns();
        say(&format!("held {} {} {since}", guard.token(), guard.lease().ticket));
        let mut go_on = [0];
        let told = std::io::stdin().read(&mut go_on).expect("standard input");
        let until = Moment::now().since_boot_ns();
        guard.release().expect("released");
        say(&format!("released {until}"));
        if told == 0 {
            return;
        }
    }
}

#[allow(clippy::print_stdout, reason = "standard output is how the suite hears its processes")]
fn say(line: &str) {
    println!("\n{MARK}{line}");
    std::io::stdout().flush().expect("standard output");
}

/// Another process that asks for the lock. Killed and reaped when dropped.
pub(super) struct Process {
    child: Child,
    go_on: ChildStdin,
    lines: BufReader<ChildStdout>,
}

/// One turn of a process, on the host's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) token: u64,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only processes that can be stopped are asked for it"))]
    pub(super) ticket: u64,
    pub(super) since_ns: u64,
}

impl Process {
    /// Starts a process that asks for `key` `turns` times.
    pub(super) fn start<H: Harness>(
        harness: &H,
        test: &str,
        key: &LockKey,
        label: &str,
        priority: Priority,
        turns: usize,
    ) -> Self {
        let address = harness.address().expect("a backend that excludes processes has an address");
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "--nocapture", "--test-threads=1", test])
            .env(PROCESS_VARIABLE, [&address, key.as_str(), label, priority.name(), &turns.to_string()].join("\t"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts again");
        let go_on = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, go_on, lines }
    }

    /// Blocks until the process holds the lock.
    pub(super) fn until_held(&mut self) -> Held {
        let line = self.next_line("held ");
        let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
        let [token, ticket, since_ns] = numbers[..] else { panic!("malformed line `{line}`") };
        Held { token, ticket, since_ns }
    }

    /// Lets the process release; gives the moment at which it began to.
    pub(super) fn release(&mut self) -> u64 {
        self.go_on.write_all(b"\n").expect("the process listens");
        self.next_line("released ").parse().expect("a number")
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().expect("killed");
    }

    #[cfg(unix)]
    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signalled");
    }

    /// Stops the process, and returns when all its threads stand still: until then it may still take a lock.
    #[cfg(unix)]
    pub(super) fn stop(&self) {
        use rustix::process::{Pid, Signal, WaitOptions, waitpid};
        self.signal(Signal::STOP);
        let pid = Pid::from_child(&self.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("waited for").expect("a change");
        assert!(status.stopped(), "ended instead of stopping");
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn next_line(&mut self, kind: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("readable");
            assert!(read > 0, "the process ended before it said `{kind}`");
            if let Some(said) = line.strip_prefix(MARK) {
                let said = said.trim_end();
                return said.strip_prefix(kind).unwrap_or_else(|| panic!("`{said}` instead of `{kind}`")).to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must be reaped.
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs blocking code of a case beside its runtime.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the case's own code")
}
