//! What the scripts answer, read.

use std::time::Duration;

use lock_core::{FencingToken, Place};
use redis::Value;

/// How a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Granted {
        token: FencingToken,
        number: u64,
    },
    Queued {
        number: u64,
        place: Place,
        /// How long until the holder's lease ends; known to the head of the line alone.
        holder_ends: Option<Duration>,
    },
    Full {
        waiting: usize,
    },
    /// It has a lease that somebody has broken already.
    Broken {
        token: FencingToken,
    },
    Withdrawn,
    Missing,
}

impl Standing {
    /// Reads one answer; `None` for what no script of ours gives.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let parts = texts(value)?;
        match parts[..] {
            ["granted", token, number] => {
                Some(Self::Granted { token: FencingToken(token.parse().ok()?), number: number.parse().ok()? })
            }
            ["queued", number, ahead, ends] => Some(Self::Queued {
                number: number.parse().ok()?,
                place: Place { ahead: ahead.parse().ok()? },
                holder_ends: ends.parse().ok().map(Duration::from_millis),
            }),
            ["full", waiting] => Some(Self::Full { waiting: waiting.parse().ok()? }),
            ["broken", token] => Some(Self::Broken { token: FencingToken(token.parse().ok()?) }),
            ["withdrawn"] => Some(Self::Withdrawn),
            ["missing"] => Some(Self::Missing),
            _ => None,
        }
    }
}

/// The text of a value.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The parts of a list.
pub(crate) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(parts) => Some(parts),
        _ => None,
    }
}

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> Option<Vec<&str>> {
    list(value)?.iter().map(text).collect()
}
