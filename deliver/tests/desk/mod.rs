//! A simulated desktop in a process of its own, agents on it, and deliverers to them.

use std::{
    env,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, MessageId, Profile, Recorded, SurfaceKind,
    desktop::{DesktopSurface, Place, WindowIdentity},
    simulated::{Address, DesktopConfig, DesktopProcess, Listen, Log, SimulatedDesktop, serve},
};
use lock_core::{DistributedLock, LockKey};

/// How long anything may take before a test fails: far more than it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const WINDOWS: &str = "DESK_WINDOWS";
const FETCHES: &str = "DESK_FETCHES";
const LOOPBACK: &str = "DESK_LOOPBACK";

/// This test program started again, to play the role of the ignored test of that name.
pub(crate) fn role(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args([name, "--exact", "--ignored", "--nocapture"]);
    command
}

/// A desktop with `windows` windows that fetch `fetches` times a paste.
pub(crate) fn desktop(windows: u32, fetches: u32) -> DesktopProcess {
    let mut command = role("desk::desktop_role");
    command.env(WINDOWS, windows.to_string()).env(FETCHES, fetches.to_string());
    DesktopProcess::spawn(command).expect("the desktop starts")
}

/// A desktop on loopback TCP.
#[allow(dead_code, reason = "not every test program has one")]
pub(crate) fn loopback_desktop() -> DesktopProcess {
    let mut command = role("desk::desktop_role");
    command.env(WINDOWS, "2").env(FETCHES, "1").env(LOOPBACK, "1");
    DesktopProcess::spawn(command).expect("the desktop starts")
}

#[test]
#[ignore = "a role that other tests start"]
fn desktop_role() {
    if env::var_os(WINDOWS).is_none() {
        return;
    }
    let number = |name| env::var(name).expect("a role gets its settings").parse().expect("a number");
    let listen = if env::var_os(LOOPBACK).is_some() { Listen::Loopback } else { Listen::Private };
    let config = DesktopConfig { windows: number(WINDOWS), fetches: number(FETCHES), seed: 7, listen };
    serve(&config, std::io::stdin(), std::io::stdout()).expect("the desktop runs to its end");
}

pub(crate) fn key() -> LockKey {
    LockKey::new("desktop/test").expect("a key")
}

pub(crate) fn deliverer(address: &Address, lock: Arc<dyn DistributedLock>, root: &Path) -> Deliverer {
    let address = address.clone();
    let surface = DesktopSurface::new(move || Ok(Box::new(SimulatedDesktop::connect(&address)?)));
    let journal = Journal::open(root, &key()).expect("a journal");
    Deliverer::new(DesktopLocks::alone(lock, key()), Arc::new(surface), journal)
}

pub(crate) fn agent(number: usize, profile: Profile) -> Agent {
    let name = format!("Agent-{number}");
    let window = Some(WindowIdentity { title: Some(name.clone()), ..WindowIdentity::default() });
    Agent { name, surface: SurfaceKind::Simulated, place: Place { point: None, window }, profile }
}

pub(crate) fn message(text: &str) -> Message {
    Message::new(text).expect("a message").0
}

#[allow(dead_code, reason = "not every test program sends the same twice")]
pub(crate) fn message_with_id(text: &str, id: &str) -> Message {
    message(text).with_id(id.parse::<MessageId>().expect("an id"))
}

/// What was submitted in `Agent-{number}`.
pub(crate) fn submitted(log: &Log, number: usize) -> Vec<&str> {
    log.windows[number - 1].submitted.iter().map(|s| s.text.as_str()).collect()
}

/// Waits until the last delivery in the journal is as `wanted`.
pub(crate) fn await_journal(journal: &Journal, wanted: impl Fn(&Recorded) -> bool) {
    let began = Instant::now();
    while !journal.history().expect("the journal can be read").last().is_some_and(&wanted) {
        assert!(began.elapsed() < DEADLINE, "the journal never said so");
        std::thread::sleep(Duration::from_millis(1));
    }
}
