//! What `run` says at its end: to people in words, to programs as one JSON object on stderr or `--json-fd`.

use std::{io::Write, time::Duration};

use lock_core::{Error, FencingToken, Guard, Holder, LockKey, LossReason};
use serde::Serialize;

use crate::{
    ExitStatus,
    error::{CommandError, ErrorKind, chain},
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
            // Lost: it was broken before we knew of it.
            Error::TimedOut { .. } | Error::QueueFull { .. } | Error::Lost { .. } => (Outcome::NotAcquired, refused),
            Error::Config(_) => (Outcome::Usage, ExitStatus::CONFIG),
            _ => (Outcome::Unavailable, ExitStatus::RUN_UNAVAILABLE),
        };
        let shown = match &error {
            // Released just then, or offered to one that has not taken it up.
            Error::TimedOut { key, state, .. } if wait.is_zero() && state.holder == Holder::Free => {
                let message = format!("`{key}` was not free when it was asked for, and {state} now; ask again");
                CommandError::new(ErrorKind::NoLock, message)
            }
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

    /// A lease that is lost, and what became of the command.
    pub(super) fn lost(guard: &Guard, loss: &Loss, command: &str) -> Self {
        let (key, store, status) = (guard.key(), guard.store(), ExitStatus::RUN_LEASE_LOST);
        let why = loss.why();
        // The server's own errors name it.
        let place = if why.contains(&store) { String::new() } else { format!(" in {store}") };
        let message = format!("the lease on `{key}`{place} is lost: {why}; {command}; exit status {}", status.code());
        Self::without_lease(Outcome::Lost, status, Some(CommandError::new(ErrorKind::NoLock, message)))
    }
}

/// What is known of the end of a lease.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// The reason that was told; none yet, where the command had to be ended before the lease.
    pub(super) reason: Option<LossReason>,
    /// Why the store could not be asked when it was asked last.
    pub(super) unconfirmed: Option<Error>,
}

impl Loss {
    fn why(&self) -> String {
        match (&self.reason, &self.unconfirmed) {
            (None | Some(LossReason::Expired), Some(error)) => {
                format!("it could not be renewed in time: {}", cause(error))
            }
            (None, None) => "it was about to end without a renewal".to_owned(),
            (Some(reason), _) => reason.to_string(),
        }
    }
}

/// What the store met with, without the step that met it.
fn cause(error: &Error) -> String {
    chain(std::error::Error::source(error).unwrap_or(error))
}

/// A lease that is given back after its end was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    is_lost: bool,
    expires: bool,
}

impl Release {
    pub(super) fn of(guard: &Guard, finished: &Finished) -> Self {
        Self { is_lost: finished.outcome == Outcome::Lost, expires: guard.deadline().is_some() }
    }

    /// Says so when it could not be given back.
    pub(super) fn failed(self, key: &LockKey, error: &Error, talk: Talk) {
        if self.is_lost {
            // That was said, and it ends by itself.
            return tracing::debug!(%error, "a lost lease was not released");
        }
        let end = if self.expires { "its lease ends" } else { "this program has ended" };
        talk.warn(&format!("`{key}` could not be released and passes on when {end}: {}", cause(error)));
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

/// Where the end of a run is told.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) key: String,
    pub(super) to: JsonTo,
    pub(super) talk: Talk,
}

impl Report {
    /// Says how the run came out; gives its status.
    pub(super) fn tell(self, finished: &Finished) -> ExitStatus {
        let Self { key, mut to, talk } = self;
        // The object says it, where it goes to the same place.
        if let Some(error) = finished.error.as_ref().filter(|_| !matches!(to, JsonTo::Stderr)) {
            talk.error(error, finished.status);
        }
        let written = json_line(&Object::of(&key, finished)).map_err(Into::into).and_then(|line| match &mut to {
            JsonTo::Nobody => Ok(()),
            JsonTo::Stderr => writeln!(std::io::stderr().lock(), "{line}"),
            #[cfg(unix)]
            JsonTo::File(file) => writeln!(file, "{line}"),
        });
        if let Err(error) = written {
            talk.warn(&format!("the outcome cannot be written as JSON: {error}"));
        }
        finished.status
    }
}

impl<'a> Object<'a> {
    fn of(key: &'a str, finished: &'a Finished) -> Self {
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            key,
            token: finished.token,
            ticket: finished.ticket,
            waited_ms: milliseconds(finished.waited),
            held_ms: finished.held.map(milliseconds),
            outcome: finished.outcome,
            error: finished.error.as_ref(),
            exit: finished.status.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::KeyState;

    #[test]
    fn a_lock_that_nobody_has_taken_up_yet_is_told_as_such_and_one_that_was_broken_is_not_acquired() {
        let key = LockKey::new("k").unwrap();
        let state = KeyState { key: key.clone(), holder: Holder::Free, queue: Vec::new(), last_token: FencingToken(1) };
        let (waited, state) = (Duration::ZERO, Box::new(state));
        let offered = Error::TimedOut { key: key.clone(), waited, state, place: None, setting: "-w" };
        let broken = Error::Lost { key, token: FencingToken(1), reason: LossReason::Broken };
        for (error, said) in
            [(offered, "`k` was not free when it was asked for, and nobody holds it now"), (broken, "was broken")]
        {
            let finished = Finished::not_acquired(error, ExitStatus::RUN_NOT_ACQUIRED, Duration::ZERO);
            assert_eq!(finished.status, ExitStatus::RUN_NOT_ACQUIRED);
            let shown = finished.error.expect("an error").to_string();
            assert!(shown.contains(said), "{shown}");
        }
    }
}
