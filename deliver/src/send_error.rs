//! Why a message was not taken up: in every case nothing was typed.

use crate::{Agent, JournalError, Message, MessageId, Outcome, Reason, Receipt, SurfaceNotBuilt, desktop::Refusal};

/// A delivery that did not begin. Nothing was typed, and no lock is held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No lock: in time, or at all.
    #[error("nothing was typed: the lock was not had")]
    Lock(#[source] lock_core::Error),
    /// The surface cannot be used.
    #[error("nothing was typed: the surface cannot be used")]
    Surface(#[source] Refusal),
    /// The surface is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] SurfaceNotBuilt),
    /// The target would submit at each newline.
    #[error(
        "`{agent}` would submit at every newline (profile {profile}, multiline = false); send one line, or another way"
    )]
    Newlines {
        /// Who.
        agent: String,
        /// The profile that says so.
        profile: String,
    },
    /// The id was used before, for another text.
    #[error("the id `{id}` was used for `{agent}` before, with another text; use a new id")]
    Conflict {
        /// The id.
        id: MessageId,
        /// To whom.
        agent: String,
    },
    /// The journal cannot be read or written.
    #[error("nothing was typed: the journal failed")]
    Journal(#[source] JournalError),
    /// Asked to stop while waiting.
    #[error("stopped by {0} before anything was typed")]
    Stopped(&'static str),
    /// The runtime is shutting down, or the delivery panicked.
    #[error("the delivery's thread failed; whether anything was typed is in the journal under {id}")]
    Thread {
        /// Under which id to look.
        id: MessageId,
        /// What the runtime said.
        source: tokio::task::JoinError,
    },
}

impl SendError {
    /// The stable word for `--json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Lock(lock_core::Error::TimedOut { .. } | lock_core::Error::QueueFull { .. }) => "no_lock",
            Self::Lock(_) => "lock_store",
            Self::Surface(refusal) => refusal.code(),
            Self::NotBuilt(_) => "not_built",
            Self::Newlines { .. } => "newlines",
            Self::Conflict { .. } => "id_conflict",
            Self::Journal(_) => "journal",
            Self::Stopped(_) => "stopped",
            Self::Thread { .. } => "thread",
        }
    }

    /// The receipt of the message that failed so: `rejected`, or `uncertain` where the journal has to be asked.
    #[must_use]
    pub fn receipt(&self, message: &Message, agent: &Agent) -> Receipt {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        let reason = Reason { code: self.code().into(), message: text };
        let outcome = match self {
            Self::Thread { .. } => Outcome::uncertain(reason),
            _ => Outcome::rejected(reason),
        };
        Receipt::new(message.id().clone(), &agent.name, outcome)
    }
}
