//! How a keeper is started, and how a program becomes one.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    process::{ChildStdout, Command, Stdio},
};

use lock_core::Moment;
use rustix::event::{PollFd, PollFlags};

use super::{folder::Meeting, server::Keeper};
use crate::desktop::{Refusal, x11::stream::wait_for};

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
    /// Variables that it does not get.
    hidden: Vec<OsString>,
}

impl KeeperCommand {
    /// A program with its arguments.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.into(), arguments, hidden: Vec::new() }
    }

    /// Without these environment variables: a keeper lives long and needs none of the sender's secrets.
    #[must_use]
    pub fn without(mut self, variables: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.hidden.extend(variables.into_iter().map(Into::into));
        self
    }

    /// The running program itself, without arguments: its `main` begins with [`become_when_asked`].
    ///
    /// # Errors
    /// The system does not say where the program is.
    pub fn this_program() -> io::Result<Self> {
        Ok(Self::new(std::env::current_exe()?, [] as [OsString; 0]))
    }

    /// Starts a keeper for `display` and waits until it serves, or says that another does; not longer than `until`.
    pub(super) fn start(&self, display: &str, until: Moment) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        for variable in &self.hidden {
            command.env_remove(variable);
        }
        let mut child = command
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
        let said = child.stdout.take();
        // A keeper that ends before its sender must not stay a zombie of a long-lived one.
        let reaper = std::thread::Builder::new().name("keeper-reaper".into()).spawn(move || child.wait());
        reaper.map_err(|error| format!("no thread for the clipboard keeper: {error}"))?;
        let mut said = said.ok_or("the clipboard keeper has no stdout")?;
        match first_word(&mut said, until).map_err(|error| format!("the clipboard keeper cannot be heard: {error}"))? {
            Some(Word::Serves) => Ok(()),
            Some(Word::Failed(why)) => Err(format!("the clipboard keeper cannot serve: {why}")),
            None => Err(format!("{} ended without becoming the clipboard keeper", self.program.display())),
        }
    }
}

/// What a starting keeper says.
enum Word {
    /// It, or another one.
    Serves,
    Failed(String),
}

/// Reads a starting keeper's lines up to its word; `None` at the end of its stdout, which is the end of the attempt.
///
/// A keeper that is stopped says nothing, and its pipe does not end either.
fn first_word(said: &mut ChildStdout, until: Moment) -> io::Result<Option<Word>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        // Other lines are the program's own. Not at the start of a line for programs that print before they come to it.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if line.ends_with(READY) || line.ends_with(ANOTHER) {
                return Ok(Some(Word::Serves));
            }
            if let Some((_, why)) = line.split_once(FAILED) {
                return Ok(Some(Word::Failed(why.to_owned())));
            }
        }
        if !wait_for(&mut [PollFd::new(said, PollFlags::IN)], Some(until))? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"));
        }
        let mut piece = [0; 1024];
        match said.read(&mut piece)? {
            0 => return Ok(None),
            length => bytes.extend_from_slice(&piece[..length]),
        }
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
