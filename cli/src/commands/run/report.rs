//! What `run` says at its end: to people in words, to programs as one JSON object on stderr or `--json-fd`.

use std::{io::Write, time::Duration};

use lock_core::{Error, FencingToken, Guard, LockKey, LossReason};
use serde::Serialize;

use crate::{
    ExitStatus,
    error::{CommandError, ErrorKind},
    ui::{Talk, json_line},
};

/// The system refused what `run` needs (EX_OSERR).
const OS_ERROR: ExitStatus = ExitStatus::new(71);

/// How a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The command ran under the lock from its start to its end.
    Ran,
    /// The command could not be started.
    NotStarted,
    /// The lock was not acquired in time.
    NotAcquired,
    /// A signal ended the wait.
    Interrupted,
    /// The lease was lost or broken while the command ran.
    Lost,
    /// The lock store cannot be used.
    Unavailable,
    /// Wrong arguments or settings.
    Usage,
    /// The supervisor failed.
    Failed,
}

/// The end of a run.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) outcome: Outcome,
    pub(super) status: ExitStatus,
    pub(super) token: Option<FencingToken>,
    pub(super) ticket: Option<u64>,
    pub(super) waited: Duration,
    pub(super) held: Option<Duration>,
    /// What there is to say about it.
    pub(super) error: Option<CommandError>,
}

impl Finished {
    /// An end without a lease.
    pub(super) fn without_lease(outcome: Outcome, status: ExitStatus, error: Option<CommandError>) -> Self {
        Self { outcome, status, token: None, ticket: None, waited: Duration::ZERO, held: None, error }
    }

    /// Wrong arguments or settings.
    pub(super) fn usage(error: CommandError) -> Self {
        Self::without_lease(Outcome::Usage, error.exit_status(), Some(error))
    }

    /// The command could not be started.
    pub(super) fn not_started(program: &str, status: ExitStatus, why: &str) -> Self {
        let hint = match status {
            ExitStatus::RUN_NOT_FOUND => "check its name and PATH",
            _ => "check that it is a program, and may be executed",
        };
        let error = CommandError::new(ErrorKind::Usage, format!("cannot run `{program}`: {why}")).hint(hint);
        Self::without_lease(Outcome::NotStarted, status, Some(error))
    }

    /// A system call that `run` needs was refused; nothing runs.
    pub(super) fn system(what: &str, error: &std::io::Error) -> Self {
        let error = CommandError::new(ErrorKind::Backend, format!("cannot {what}: {error}"));
        Self::without_lease(Outcome::Failed, OS_ERROR, Some(error))
    }

    /// The store's answer was no lock.
    pub(super) fn not_acquired(error: Error, refused: ExitStatus, wait: Duration) -> Self {
        let (outcome, status) = match &error {
            Error::TimedOut { .. } | Error::QueueFull { .. } => (Outcome::NotAcquired, refused),
            Error::Config(_) => (Outcome::Usage, ExitStatus::CONFIG),
            _ => (Outcome::Unavailable, ExitStatus::RUN_UNAVAILABLE),
        };
        let shown = match &error {
            Error::TimedOut { key, state, .. } if wait.is_zero() => {
                CommandError::new(ErrorKind::NoLock, format!("`{key}` is not free: {state}"))
            }
            Error::TimedOut { place: Some(place), .. } => {
                CommandError::new(ErrorKind::NoLock, format!("{error} ({} ahead of us in line)", place.ahead))
            }
            _ => CommandError::from(error),
        };
        Self::without_lease(outcome, status, Some(shown))
    }

    /// The store cannot be opened.
    pub(super) fn unavailable(error: CommandError) -> Self {
        match error.kind {
            ErrorKind::Backend => Self::without_lease(Outcome::Unavailable, ExitStatus::RUN_UNAVAILABLE, Some(error)),
            _ => Self::usage(error),
        }
    }

    /// With the lease that was held.
    pub(super) fn under(mut self, guard: &Guard) -> Self {
        (self.token, self.ticket) = (Some(guard.token()), Some(guard.lease().ticket));
        self
    }

    /// The words for a lost lease.
    pub(super) fn lost(key: &LockKey, reason: Option<&LossReason>) -> CommandError {
        let reason = reason.map_or_else(|| "it was about to end without a renewal".to_owned(), ToString::to_string);
        CommandError::new(ErrorKind::NoLock, format!("the lease on `{key}` is lost: {reason}; the command was ended"))
    }
}

/// Where the JSON object goes.
#[derive(Debug)]
pub(super) enum JsonTo {
    /// Nowhere.
    Nobody,
    /// To stderr.
    Stderr,
    /// To the descriptor of `--json-fd`.
    #[cfg(unix)]
    File(std::fs::File),
}

#[derive(Serialize)]
struct Object<'a> {
    key: &'a str,
    token: Option<FencingToken>,
    ticket: Option<u64>,
    waited_ms: u64,
    held_ms: Option<u64>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a CommandError>,
    exit: u32,
}

/// Says how the run came out.
pub(super) fn report(key: &str, finished: &Finished, mut to: JsonTo, talk: Talk) {
    // The object says it, where it goes to the same place.
    if let Some(error) = finished.error.as_ref().filter(|_| !matches!(to, JsonTo::Stderr)) {
        talk.error(error, finished.status);
    }
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let object = Object {
        key,
        token: finished.token,
        ticket: finished.ticket,
        waited_ms: milliseconds(finished.waited),
        held_ms: finished.held.map(milliseconds),
        outcome: finished.outcome,
        error: finished.error.as_ref(),
        exit: finished.status.code(),
    };
    let line = match json_line(&object) {
        Ok(line) => format!("{line}\n"),
        Err(error) => return talk.warn(&format!("the outcome cannot be written as JSON: {error}")),
    };
    let written = match &mut to {
        JsonTo::Nobody => Ok(()),
        JsonTo::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        #[cfg(unix)]
        JsonTo::File(file) => file.write_all(line.as_bytes()),
    };
    if let Err(error) = written {
        talk.warn(&format!("the outcome cannot be written as JSON: {error}"));
    }
}
