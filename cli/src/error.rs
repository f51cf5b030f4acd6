//! Errors as the user meets them: a kind that fixes the exit status, one line, and hints of their own.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::ExitStatus;

/// What kind of thing went wrong; each has its exit status and its stable word for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Wrong arguments.
    Usage,
    /// A part that this version does not have.
    NotBuilt,
    /// No agent of that name.
    UnknownAgent,
    /// The message cannot be sent as it is.
    BadMessage,
    /// Nothing was typed.
    Rejected,
    /// No lock in time.
    NoLock,
    /// The configuration is wrong.
    Config,
    /// The lock store cannot be used.
    Backend,
}

impl ErrorKind {
    /// The exit status of all commands but `run`, which has its own.
    pub(crate) const fn exit_status(self) -> ExitStatus {
        match self {
            Self::Usage | Self::NotBuilt | Self::BadMessage => ExitStatus::USAGE,
            Self::UnknownAgent => ExitStatus::NO_TARGET,
            Self::Rejected => ExitStatus::REJECTED,
            Self::NoLock => ExitStatus::NO_LOCK,
            Self::Config | Self::Backend => ExitStatus::CONFIG,
        }
    }

    /// The stable word for `--json`.
    const fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotBuilt => "not_built",
            Self::UnknownAgent => "unknown_agent",
            Self::BadMessage => "bad_message",
            Self::Rejected => "rejected",
            Self::NoLock => "no_lock",
            Self::Config => "config",
            Self::Backend => "backend",
        }
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

/// One error, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandError {
    #[serde(rename = "code")]
    pub(crate) kind: ErrorKind,
    /// One line: the error, then its sources, each once.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// An error with the chain of its sources.
    pub(crate) fn chain(kind: ErrorKind, error: &dyn std::error::Error) -> Self {
        Self::new(kind, chain(error))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// A part of the contract that is left for a later version.
    pub(crate) fn not_built(what: &str) -> Self {
        Self::not_built_as(format!("{what} is not built yet"))
    }

    /// The same in other words.
    pub(crate) fn not_built_as(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotBuilt, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn exit_status(&self) -> ExitStatus {
        self.kind.exit_status()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<lock_core::Error> for CommandError {
    fn from(error: lock_core::Error) -> Self {
        use lock_core::Error;
        let kind = match &error {
            Error::TimedOut { .. } | Error::QueueFull { .. } => ErrorKind::NoLock,
            Error::Lost { .. } => ErrorKind::Rejected,
            Error::NotHolder { .. } => ErrorKind::Rejected,
            Error::Config(_) => ErrorKind::Config,
            _ => ErrorKind::Backend,
        };
        match kind {
            ErrorKind::Backend => {
                let advice = crate::backends::advice(&error);
                Self::chain(kind, &error)
                    .hint(advice.unwrap_or("check the lock store, or choose another with --backend"))
            }
            _ => Self::chain(kind, &error),
        }
    }
}

impl From<lock_core::KeyError> for CommandError {
    fn from(error: lock_core::KeyError) -> Self {
        Self::usage(error.to_string())
    }
}

/// An error and its sources on one line. A source whose text the line already holds is left out: some libraries repeat
/// their source in their own text.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    on_one_line(&line)
}

/// A text of several lines as one.
pub(crate) fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn a_chain_says_each_source_once() {
        let end = Link { text: "no space", source: None };
        let middle = Link { text: "cannot write: no space", source: Some(Box::new(end)) };
        let top = Link { text: "cannot save", source: Some(Box::new(middle)) };
        assert_eq!(chain(&top), "cannot save: cannot write: no space");
    }
}
