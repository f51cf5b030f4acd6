//! Faults of the database, with real processes and real signals: each a clear error or no harm at all, and tokens grow.

use std::{
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use lock_core::{BlockingLock, DistributedLock, Entered, Error, Holder, LockKey, background, conformance::request};
use rustix::process::{Pid, Signal, kill_process};
use tests::role::role;

use super::{acquire_once, blocking, database, key, open, soon, told, within};

const WRITER: &str = "TALKSTICK_TEST_WRITER";

/// Not a test of its own: another program, in the middle of a transaction until it is ended.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(WRITER) else { return };
    let connection = rusqlite::Connection::open(database(Path::new(&folder))).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE; UPDATE locks SET last_token = 1; DELETE FROM tickets;").unwrap();
    println!("\nWRITING");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    connection.execute_batch("ROLLBACK").unwrap();
}

struct Writer(Child);

impl Writer {
    fn start(folder: &Path) -> Self {
        let mut child = role("interrupted::writer").env(WRITER, folder).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|line| line == "WRITING"));
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_process_killed_in_a_transaction_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let before = acquire_once(folder.path()).unwrap();
    let writer = Writer::start(folder.path());
    drop(writer);
    let after = acquire_once(folder.path()).expect("who died keeps nothing");
    assert!(after > before, "{before} then {after}");
}

/// What the store itself answers, however long that takes.
fn enter(lock: &Arc<dyn DistributedLock>, key: &LockKey) -> Result<Entered, Error> {
    background::handle().unwrap().block_on(lock.enter(key, &request(1)))
}

/// Who holds, holds on and lets go; who waits is granted when the writer has ended; who asks is told by whom.
#[test]
fn another_program_that_keeps_the_database_holds_up_only_changes_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let asks = open(folder.path()).unwrap();
    let (a, b) = (blocking(folder.path()), blocking(folder.path()));
    let guard = a.acquire(&key(), &soon()).unwrap();
    let waiter = std::thread::spawn(move || b.acquire(&key(), &soon()).map(|guard| guard.token()));
    while a.inspect(&key()).unwrap().queue.len() != 1 {
        std::thread::yield_now();
    }
    let writer = Writer::start(folder.path());
    // Stopped in the middle of it, to be sure that it does nothing for us.
    kill_process(Pid::from_child(&writer.0), Signal::STOP).unwrap();
    guard.check().expect("a lease is no row");
    let error = enter(&asks, &LockKey::new("other").unwrap()).unwrap_err();
    let told = told(&error);
    for part in ["another program", "locks.sqlite", "fuser", "no lock was taken"] {
        assert!(told.contains(part), "`{part}` is missing in: {told}");
    }
    assert!(matches!(a.inspect(&key()).unwrap().holder, Holder::Lease { .. }), "a look needs no change");
    let token = guard.token();
    // Which needs the database no more than the lease did: its writer is stopped still.
    guard.release().unwrap();
    assert!(!waiter.is_finished());
    drop(writer);
    assert!(waiter.join().unwrap().unwrap() > token);
}

/// A waiter whose turn it is while the database cannot be changed is told, not left alone.
#[test]
fn a_waiter_is_told_when_the_database_stays_locked_at_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (blocking(folder.path()), blocking(folder.path()));
    let guard = a.acquire(&key(), &soon()).unwrap();
    let waiter = std::thread::spawn(move || b.acquire(&key(), &within(Duration::from_secs(60))).map(drop));
    while a.inspect(&key()).unwrap().queue.len() != 1 {
        std::thread::yield_now();
    }
    let writer = Writer::start(folder.path());
    guard.release().unwrap();
    let error = waiter.join().unwrap().unwrap_err();
    assert!(told(&error).contains("another program"), "{}", told(&error));
    drop(writer);
    assert!(a.acquire(&key(), &soon()).is_ok(), "its ticket is in nobody's way");
}

fn damage(folder: &Path) {
    for suffix in ["", "-wal"] {
        let path = folder.join(format!("locks.sqlite{suffix}"));
        let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
        // Not cut to nothing before: SQLite takes the log of an empty database away, should somebody look right then.
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all(&vec![0xA5; length.max(4096)]).unwrap();
    }
}

#[test]
fn a_damaged_database_is_kept_aside_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let running = blocking(folder.path());
    let before = running.acquire(&key(), &soon()).unwrap().token();
    damage(folder.path());
    let after = running.acquire(&key(), &soon()).expect("the one that has it open").token();
    damage(folder.path());
    let last = acquire_once(folder.path()).expect("one that opens it now");
    assert!(before < after && after.0 < last, "{before}, {after}, {last}");
    assert!(running.acquire(&key(), &soon()).unwrap().token().0 > last, "and back");
    let kept = std::fs::read(folder.path().join("locks.sqlite.damaged")).unwrap();
    assert_eq!(kept[..16], [0xA5; 16]);
}

/// What is damaged under a holder is not made anew before it has let go: nobody is granted meanwhile.
#[test]
fn a_database_damaged_under_a_holder_gives_no_second_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (blocking(folder.path()), open(folder.path()).unwrap());
    let guard = a.acquire(&key(), &soon()).unwrap();
    damage(folder.path());
    let error = enter(&b, &key()).expect_err("its state is unknown, not free");
    assert!(told(&error).contains("1 lease") && told(&error).contains("let go"), "{}", told(&error));
    let token = guard.token();
    guard.release().unwrap();
    assert!(BlockingLock::new(b).acquire(&key(), &soon()).unwrap().token() > token);
}

/// Refused by who opens it, and by who has it open while it is brought up.
#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = blocking(folder.path());
    running.acquire(&key(), &soon()).unwrap().release().unwrap();
    let newer = rusqlite::Connection::open(database(folder.path())).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    for error in [open(folder.path()).unwrap_err(), running.acquire(&key(), &soon()).unwrap_err()] {
        let told = told(&error);
        assert!(told.contains("version 99") && told.contains("up to 2") && told.contains("update"), "{told}");
    }
}

const LIMITED: &str = "TALKSTICK_TEST_LIMITED";

/// Not a test of its own: a process whose files may not grow.
#[test]
fn limited() {
    let Some(folder) = std::env::var_os(LIMITED) else { return };
    let lock = blocking(Path::new(&folder));
    let held = lock.acquire(&key(), &soon()).unwrap();
    let limit = rustix::process::Rlimit { current: Some(1), maximum: Some(1) };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    match lock.acquire(&LockKey::new("other").unwrap(), &soon()) {
        Ok(guard) => println!("\nTOKEN {}", guard.token()),
        Err(error) => println!("\nERROR {}", told(&error)),
    }
    held.check().unwrap();
    held.release().unwrap();
    println!("\nRELEASED");
}

/// No space for the row: no lock, and it says so; who holds holds on, and lets go.
#[test]
fn a_file_that_cannot_grow_gives_no_lock_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    acquire_once(folder.path()).unwrap();
    // The shell ignores the signal that comes with the limit, and what it starts inherits that.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact interrupted::limited --nocapture --test-threads=1"])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.lines().find(|line| line.starts_with("TOKEN") || line.starts_with("ERROR")).unwrap_or(&text);
    assert!(said.starts_with("ERROR") && said.contains("no lock was taken"), "{said}");
    assert!(text.contains("RELEASED"), "{text}");
    acquire_once(folder.path()).expect("nothing is left of it");
}
