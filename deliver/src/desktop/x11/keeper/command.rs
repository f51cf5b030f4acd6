//! How a keeper is started, and how a program becomes one.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::{Command, Stdio},
};

use super::{folder::Meeting, server::Keeper};
use crate::desktop::Refusal;

/// The environment variable that asks a program to become the keeper of the display that it names.
pub const KEEPER_VARIABLE: &str = "TALKSTICK_KEEPER";

/// What a keeper says on its stdout, on a line of its own, when senders can connect.
const READY: &str = "talkstick-keeper: ready";
/// What it says when another keeper serves the display.
const ANOTHER: &str = "talkstick-keeper: another one runs";
/// What it says before the reason why it cannot serve.
const FAILED: &str = "talkstick-keeper: failed: ";

/// The command that starts a keeper: a program that calls [`run`] or [`become_when_asked`] when it is started so.
///
/// The display is told to it in [`KEEPER_VARIABLE`], not in its arguments.
#[derive(Debug, Clone)]
pub struct KeeperCommand {
    program: OsString,
    arguments: Vec<OsString>,
}

impl KeeperCommand {
    /// A program with its arguments.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The running program itself, without arguments: its `main` begins with [`become_when_asked`].
    ///
    /// # Errors
    /// The system does not say where the program is.
    pub fn this_program() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?.into(), arguments: Vec::new() })
    }

    /// Starts a keeper for `display` and waits until it serves, or says that another does.
    pub(super) fn start(&self, display: &str) -> Result<(), String> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env(KEEPER_VARIABLE, display)
            // It outlives the sender, and no lease is its own.
            .env_remove(lock_core::HELD_VARIABLE)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("the clipboard keeper {} does not start: {error}", self.program.display()))?;
        let said = child.stdout.take().map(io::BufReader::new);
        // A keeper that ends before its sender must not stay a zombie of a long-lived one.
        let reaper = std::thread::Builder::new().name("keeper-reaper".into()).spawn(move || child.wait());
        reaper.map_err(|error| format!("no thread for the clipboard keeper: {error}"))?;
        // Other lines are the program's own; the end of its stdout is the end of the attempt.
        for line in said.into_iter().flat_map(io::BufRead::lines) {
            let line = line.map_err(|error| format!("the clipboard keeper cannot be heard: {error}"))?;
            // Not at the start of a line for programs that print before they come to the keeper.
            if line.ends_with(READY) || line.ends_with(ANOTHER) {
                return Ok(());
            }
            if let Some((_, why)) = line.split_once(FAILED) {
                return Err(format!("the clipboard keeper cannot serve: {why}"));
            }
        }
        Err(format!("{} ended without becoming the clipboard keeper", self.program.display()))
    }
}

/// Becomes the keeper when the environment asks for it, and then ends the process; returns at once otherwise.
///
/// Embedders that use [`KeeperCommand::this_program`] call it first in `main`, before threads are started.
pub fn become_when_asked() {
    if std::env::var_os(KEEPER_VARIABLE).is_some() {
        let status = if run().is_ok() { 0 } else { 1 };
        std::process::exit(status);
    }
}

/// Is the keeper of the display that [`KEEPER_VARIABLE`] names, until it is not needed any more.
///
/// Blocking. The first lines on stdout tell the starter how it went; after that nothing is printed.
///
/// # Errors
/// No display is named or it cannot be used, or the folder of the socket cannot. The starter was told.
pub fn run() -> Result<(), Refusal> {
    let started = start();
    let word = match &started {
        Ok(Some(_)) => READY.to_owned(),
        Ok(None) => ANOTHER.to_owned(),
        Err(refusal) => format!("{FAILED}{refusal}"),
    };
    // A starter that has gone needs no word; other senders will come.
    let told = writeln!(io::stdout(), "{word}").and_then(|()| io::stdout().flush());
    if let Err(error) = told.and_then(|()| leave_stdout()) {
        tracing::debug!(%error, "the starter of the keeper cannot be told");
    }
    match started? {
        Some(keeper) => keeper.serve(),
        None => Ok(()),
    }
}

fn start() -> Result<Option<Keeper>, Refusal> {
    let refused = |display: &str, why: String| Refusal::NoDisplay { display: display.to_owned(), why };
    let display = std::env::var(KEEPER_VARIABLE).map_err(|error| refused("", format!("{KEEPER_VARIABLE}: {error}")))?;
    let broken = |error: io::Error| refused(&display, format!("its clipboard keeper cannot start: {error}"));
    // The starter's session, process group and terminal may end; fails only for a group's leader, whom it does not harm.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "the keeper stays in its session");
    }
    let meeting = Meeting::of(&display).map_err(broken)?;
    match meeting.take().map_err(broken)? {
        Some(lock) => Keeper::open(&display, &meeting, lock).map(Some),
        None => Ok(None),
    }
}

/// Whoever reads the starter's pipe to its end must not wait for the keeper's.
fn leave_stdout() -> io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    Ok(())
}
