//! Programs that lock the gate without us: flock(1) and Python's `fcntl.flock`, both ways.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails where it panics, and says what it skips")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use lock_core::{
    AcquireOptions, BlockingLock, DistributedLock, Error, FencingToken, Holder, LockKey, Sweep, background,
};
use lock_file::{FileConfig, FileLock};
use tempfile::TempDir;

const PYTHON_HOLDS: &str = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX); \
     print('held',flush=True); sys.stdin.readline()";
const PYTHON_TRIES: &str = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX|fcntl.LOCK_NB)";

struct Place {
    folder: TempDir,
    lock: Arc<dyn DistributedLock>,
    key: LockKey,
}

impl Place {
    /// With a client whose waiters never look for themselves: they are woken, or stay where they are.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = FileConfig::new(folder.path());
        config.sweep = Sweep::out_of_reach();
        let lock = Arc::new(FileLock::open(config).unwrap());
        Self { folder, lock, key: LockKey::new("Shared key").unwrap() }
    }

    fn gate(&self) -> std::path::PathBuf {
        self.folder.path().join("%53hared%20key.lock")
    }

    fn blocking(&self) -> BlockingLock {
        BlockingLock::new(Arc::clone(&self.lock))
    }

    fn holder(&self) -> Holder {
        background::handle().unwrap().block_on(self.lock.inspect(&self.key)).unwrap().holder
    }
}

fn within(seconds: u64) -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(seconds))
}

/// Whether a tool is here. In CI it must be.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{tool} is missing");
    if !found {
        eprintln!("SKIPPED: {tool} is missing");
    }
    found
}

/// A program that holds the gate until its standard input ends. Ended when dropped.
struct Stranger(Child);

impl Stranger {
    fn holds(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn lets_go(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn flock_holds(gate: &Path) -> Command {
    let mut command = Command::new("flock");
    command.arg(gate).args(["-c", "echo held; read line; true"]);
    command
}

fn python_holds(gate: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON_HOLDS]).arg(gate);
    command
}

/// We wait for the stranger, and are woken by the kernel when it lets go, not by a sweep.
fn a_stranger_excludes_us(holds: fn(&Path) -> Command) {
    let place = Place::new();
    let stranger = Stranger::holds(&mut holds(&place.gate()));
    let lock = place.blocking();
    let error = lock.acquire(&place.key, &within(0)).unwrap_err();
    let Error::TimedOut { state, .. } = &error else { panic!("{error}") };
    assert!(matches!(state.holder, Holder::Foreign { .. }), "{state}");
    if cfg!(target_os = "linux") {
        assert!(error.to_string().contains("pid "), "the stranger is named: {error}");
    }
    let refused = background::handle().unwrap().block_on(place.lock.break_lock(&place.key, FencingToken(1), true));
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    let (key, waiting) = (place.key.clone(), lock.clone());
    let waiter = std::thread::spawn(move || waiting.acquire(&key, &within(20)).unwrap());
    while background::handle().unwrap().block_on(place.lock.inspect(&place.key)).unwrap().queue.is_empty() {
        std::thread::yield_now();
    }
    stranger.lets_go();
    waiter.join().unwrap().release().unwrap();
}

#[test]
fn flock_1_excludes_us() {
    if has("flock") {
        a_stranger_excludes_us(flock_holds);
    }
}

#[test]
fn python_excludes_us() {
    if has("python3") {
        a_stranger_excludes_us(python_holds);
    }
}

#[test]
fn we_exclude_strangers_and_are_not_disturbed_by_their_trying() {
    let place = Place::new();
    let guard = place.blocking().acquire(&place.key, &within(0)).unwrap();
    let flock = || Command::new("flock").arg("-n").arg(place.gate()).arg("true").status().unwrap().success();
    let python = || {
        let mut command = Command::new("python3");
        command.args(["-c", PYTHON_TRIES]).arg(place.gate()).stderr(Stdio::null()).status().unwrap().success()
    };
    let (has_flock, has_python) = (has("flock"), has("python3"));
    assert!(!(has_flock && flock()), "flock(1) holds too");
    assert!(!(has_python && python()), "Python holds too");
    guard.check().unwrap();
    assert!(matches!(place.holder(), Holder::Lease { .. }));
    guard.release().unwrap();
    assert!(!has_flock || flock());
    assert!(!has_python || python());
    assert_eq!(place.holder(), Holder::Free);
    assert_eq!(std::fs::metadata(place.gate()).unwrap().len(), 0, "the gate is never written");
}

/// A status that tried the lock would make these fail now and then.
#[test]
#[cfg(target_os = "linux")]
fn looking_never_takes_the_lock_from_a_stranger() {
    let place = Place::new();
    drop(place.blocking().acquire(&place.key, &within(0)).unwrap());
    let file = std::fs::File::open(place.gate()).unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let looking = {
        let (lock, key, stop) = (Arc::clone(&place.lock), place.key.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                background::handle().unwrap().block_on(lock.inspect(&key)).unwrap();
            }
        })
    };
    for _ in 0..2000 {
        assert!(lock_core::flock::try_exclusive(&file).unwrap(), "somebody looked, and it was locked");
        lock_core::flock::unlock(&file).unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    looking.join().unwrap();
}
