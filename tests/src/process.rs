//! A child process that ends with its owner, whatever becomes of the owner.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::probe::{READY_WITHIN, until};

/// How long a child that is asked to end may take before it is killed.
const POLITE_END: Duration = Duration::from_secs(3);

/// How long the end of a dead child's stderr is waited for.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(500);
/// How much of what a child says on stderr is kept for messages of failure.
const SAID_BYTES: usize = 16 * 1024;

/// How a child is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGKILL.
    Kill,
    /// SIGTERM, then SIGKILL: for programs that leave files behind when they are killed.
    Terminate,
}

/// A running child in a process group of its own. Dropping it ends the whole group and reaps the child.
///
/// When the process that owns it dies without dropping it, the kernel ends the child.
/// Its stdout is read as lines, its stderr is kept for failure messages, its stdin is written with [`Process::say`].
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Mutex<Receiver<String>>,
    said: Arc<Mutex<Vec<u8>>>,
    /// Ends with the stderr that it listens to.
    listener: JoinHandle<()>,
    ending: Ending,
    reaped: Option<ExitStatus>,
}

impl Process {
    /// Starts a program that is killed in the end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command) -> Self {
        Self::start_ending(command, Ending::Kill)
    }

    /// Starts a program and says how it is ended.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_ending(mut command: Command, ending: Ending) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        end_with_this_process(&mut command, ending);
        let mut child =
            spawn_from_a_lasting_thread(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("stdout was piped");
        std::thread::spawn(move || pump_lines(stdout, &sender));
        let said = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("stderr was piped");
        let kept = Arc::clone(&said);
        let listener = std::thread::spawn(move || keep_what_it_says(stderr, &kept));
        let stdin = child.stdin.take();
        Self { name, child, stdin, lines: Mutex::new(lines), said, listener, ending, reaped: None }
    }

    /// The child's process id, which is the id of its group too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its stdout within `within`, or `None`.
    pub fn line(&self, within: Duration) -> Option<String> {
        self.next_line(Instant::now() + within).ok()
    }

    /// Reads lines of its stdout until one answers `question`, and returns the answer.
    ///
    /// # Panics
    /// When the child ends first or nothing answers within [`READY_WITHIN`]; the message says `what` was waited for.
    #[track_caller]
    pub fn expect_line<T>(&self, what: &str, mut question: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.next_line(deadline) {
                Ok(line) => {
                    if let Some(answer) = question(&line) {
                        return answer;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} did not say {what} within {READY_WITHIN:?}; it said: {}", self.name, self.said())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{} closed its output before it said {what}; it said: {}", self.name, self.said())
                }
            }
        }
    }

    /// Writes one line to its stdin.
    ///
    /// # Panics
    /// When it does not read it any more.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).unwrap_or_else(|error| {
            panic!("{} does not take a line: {error}", self.name);
        });
    }

    /// Closes its stdin.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// What it said on stderr so far (the last part of it).
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Whether it still runs (a stopped one does).
    pub fn runs(&self) -> bool {
        // WNOWAIT leaves the dead child unreaped, so that its id cannot come to name another process while we hold it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.reaped.is_none()
            && matches!(rustix::process::waitid(WaitId::Pid(self.pid_for_signals()), options), Ok(None))
    }

    /// Waits until it ended by itself, and returns its status.
    ///
    /// # Panics
    /// When it still runs after `within`.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        if !self.until_dead(within) {
            panic!("{} still runs after {within:?}; it said: {}", self.name, self.said());
        }
        let status = self.reap();
        self.hear_the_last_words();
        status
    }

    /// SIGKILL to the child alone, and waits until it is dead.
    pub fn kill(&mut self) -> ExitStatus {
        if self.reaped.is_none() {
            sigkill(self.pid());
        }
        self.wait(READY_WITHIN)
    }

    /// SIGSTOP to the child alone; returns once it has stopped.
    pub fn stop(&self) {
        assert!(self.stop_if_it_runs(), "{} is gone and cannot be stopped", self.name);
    }

    /// As [`Process::stop`], where it may end by itself just then; gives whether it is stopped.
    pub fn stop_if_it_runs(&self) -> bool {
        // One that ends in between is not reaped: it has its id, and takes the signal.
        self.runs() && {
            sigstop(self.pid());
            self.runs()
        }
    }

    /// SIGCONT to the child alone.
    pub fn go_on(&self) {
        assert!(self.go_on_if_it_runs(), "{} is gone and cannot go on", self.name);
    }

    /// As [`Process::go_on`], where it may have ended by itself; gives whether it was there to be told.
    pub fn go_on_if_it_runs(&self) -> bool {
        let runs = self.runs();
        if runs {
            sigcont(self.pid());
        }
        runs
    }

    fn next_line(&self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    }

    fn pid_for_signals(&self) -> Pid {
        to_pid(self.pid())
    }

    fn until_dead(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.runs() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// What a child said right before its end may still be on its way to [`Process::said`]. A daemon that it left behind
    /// may keep its stderr open, so the patience is bounded.
    fn hear_the_last_words(&self) {
        let deadline = Instant::now() + LAST_WORDS_WITHIN;
        while !self.listener.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends what is left of the group while the unreaped child still keeps its id from being used again, then reaps.
    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.reaped {
            return status;
        }
        // An empty group is no failure.
        let _ = rustix::process::kill_process_group(self.pid_for_signals(), Signal::KILL);
        let status = self.child.wait().unwrap_or_else(|error| panic!("cannot reap {}: {error}", self.name));
        self.reaped = Some(status);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped.is_none() && self.ending == Ending::Terminate {
            let _ = rustix::process::kill_process_group(self.pid_for_signals(), Signal::TERM);
            // A stopped child takes the signal only once it goes on.
            let _ = rustix::process::kill_process_group(self.pid_for_signals(), Signal::CONT);
            self.until_dead(POLITE_END);
        }
        self.reap();
    }
}

/// Sends SIGKILL to a process that the caller started.
///
/// # Panics
/// When the process is gone.
pub fn sigkill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Sends SIGSTOP to a process that the caller started; returns once it has stopped.
///
/// # Panics
/// When the process is gone.
pub fn sigstop(pid: u32) {
    signal(pid, Signal::STOP);
    until(READY_WITHIN, "the process has stopped", || matches!(state(pid), Some('T' | 't' | 'Z')));
}

/// Sends SIGCONT to a process that the caller started.
///
/// # Panics
/// When the process is gone.
pub fn sigcont(pid: u32) {
    signal(pid, Signal::CONT);
}

/// Whether a process of this id exists and is not a zombie. One whose first thread has ended lives, and keeps its files open,
/// until the last one has.
pub fn is_alive(pid: u32) -> bool {
    match state(pid) {
        None => false,
        Some('Z' | 'X') => std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1),
        Some(_) => true,
    }
}

fn signal(pid: u32, signal: Signal) {
    rustix::process::kill_process(to_pid(pid), signal)
        .unwrap_or_else(|error| panic!("signal {signal:?} to {pid}: {error}"));
}

fn to_pid(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap_or_else(|| panic!("{pid} is no process id"))
}

/// The letter of the kernel for what a process is doing.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold any character: count from its end.
    stat.rsplit_once(") ")?.1.chars().next()
}

fn end_with_this_process(command: &mut Command, ending: Ending) {
    let parent = rustix::process::getpid();
    let signal = match ending {
        Ending::Kill => Signal::KILL,
        Ending::Terminate => Signal::TERM,
    };
    // SAFETY: runs between fork and exec; both calls are plain system calls that neither allocate nor lock.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(signal))?;
            // A parent that died before the line above sends no signal any more.
            if rustix::process::getppid() != Some(parent) {
                return Err(std::io::Error::other("the parent is gone"));
            }
            Ok(())
        });
    }
}

/// Starts a child from a thread that lives as long as this process.
///
/// The kernel sends the death signal when the *thread* that started the child ends, and a fixture may well outlive the
/// thread of the test that made it.
fn spawn_from_a_lasting_thread(command: Command) -> std::io::Result<Child> {
    type Job = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, inbox) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // The asker waits for the answer; were it gone, the child would end with the dropped result's pipes.
                let _ = reply.send(command.spawn());
            }
        });
        jobs
    });
    let (reply, answer) = channel();
    spawner.send((command, reply)).map_err(std::io::Error::other)?;
    answer.recv().map_err(std::io::Error::other)?
}

fn pump_lines(stdout: impl Read, lines: &Sender<String>) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        line.clear();
        if lines.send(text).is_err() {
            return;
        }
    }
}

fn keep_what_it_says(mut stderr: impl Read, said: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(read) = stderr.read(&mut chunk)
        && read > 0
    {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&chunk[..read]);
        let excess = said.len().saturating_sub(SAID_BYTES);
        said.drain(..excess);
    }
}
