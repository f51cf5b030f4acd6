//! Errors of the lock contract.

use std::{fmt, sync::Arc, time::Duration};

use crate::{FencingToken, KeyState, LockKey, Place};

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in it.
    #[error("a key must not be empty")]
    Empty,
    /// Longer than [`crate::KEY_BYTES_MAX`].
    #[error("a key may have at most {max} bytes, this one has {bytes}", max = crate::KEY_BYTES_MAX)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A control character in it.
    #[error("a key must not hold control characters, this one holds U+{:04X}", *control as u32)]
    Control {
        /// The first one.
        control: char,
    },
}

/// What was being done when an error struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the trait method or step of the same name")]
pub enum Operation {
    Open,
    Enter,
    Wait,
    Withdraw,
    Renew,
    Release,
    Inspect,
    Break,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open the lock store",
            Self::Enter => "ask for the lock",
            Self::Wait => "wait for the lock",
            Self::Withdraw => "leave the line",
            Self::Renew => "check the lease",
            Self::Release => "release the lock",
            Self::Inspect => "look at the lock",
            Self::Break => "break the lock",
        })
    }
}

/// An error of a lock: what a caller branches on, with its key, operation and source.
///
/// An error never means "locked" or "not locked": after one, the state of the key is unknown.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store did not answer as it must; `source` is the backend's own error.
    #[error("cannot {operation} `{key}` in {store}: its state is unknown")]
    Store {
        /// Which key, or the store's own name where no key is concerned.
        key: String,
        /// What was tried.
        operation: Operation,
        /// The store, without secrets.
        store: String,
        /// What the backend saw.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// No lock in time. Nothing is held and no ticket is left.
    #[error("no lock on `{key}` within {seconds:.1} s: {state}; raise {setting}", seconds = waited.as_secs_f64())]
    TimedOut {
        /// Which key.
        key: LockKey,
        /// How long was waited.
        waited: Duration,
        /// Holder and queue at the end, as far as they could be read.
        state: Box<KeyState>,
        /// The place in line at the end.
        place: Option<Place>,
        /// The setting that bounds the wait.
        setting: &'static str,
    },
    /// The line is full.
    #[error("the line for `{key}` is full: {waiting} wait, {max} is the limit (`queue.max`)")]
    QueueFull {
        /// Which key.
        key: LockKey,
        /// Live tickets in line.
        waiting: usize,
        /// The limit.
        max: usize,
    },
    /// The lease has ended before its holder let go.
    #[error("the lease {token} on `{key}` is lost: {reason}")]
    Lost {
        /// Which key.
        key: LockKey,
        /// The lease.
        token: FencingToken,
        /// How.
        reason: LossReason,
    },
    /// `break` named a token that does not hold the key now.
    #[error("`{key}` is not held under token {token}: {state}")]
    NotHolder {
        /// Which key.
        key: LockKey,
        /// The token that was named.
        token: FencingToken,
        /// Who holds it instead.
        state: Box<KeyState>,
    },
    /// The backend cannot do this here, or refuses to.
    #[error("{store} cannot {operation} `{key}`: {why}")]
    Unsupported {
        /// Which key.
        key: String,
        /// What was tried.
        operation: Operation,
        /// The store.
        store: String,
        /// Why, and what to do instead.
        why: String,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Config(String),
}

/// Why a lease ended before its holder let go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// Its deadline passed without a confirmed renewal.
    Expired,
    /// Somebody broke it.
    Broken,
    /// The store knows it no more, or it holds another owner's lease.
    Replaced,
    /// What the store kept of it was deleted or replaced.
    StoreGone,
    /// The lease it was inherited from is lost.
    ParentLost,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its deadline passed without a renewal",
            Self::Broken => "it was broken (`talkstick break`)",
            Self::Replaced => "the store holds another lease instead",
            Self::StoreGone => "what the store kept of it was deleted or replaced",
            Self::ParentLost => "the lease it was inherited from is lost",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Holder;

    #[test]
    fn a_timeout_tells_its_length_as_people_do() {
        let key = LockKey::new("k").unwrap();
        let state = KeyState { key: key.clone(), holder: Holder::Free, queue: Vec::new(), last_token: FencingToken(0) };
        let waited = Duration::from_nanos(1_188_280_548);
        let error = Error::TimedOut { key, waited, state: Box::new(state), place: None, setting: "--wait" };
        assert_eq!(error.to_string(), "no lock on `k` within 1.2 s: nobody holds it; raise --wait");
    }
}
