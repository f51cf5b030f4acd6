//! What `inspect` sees: the holder and the ordered queue.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FencingToken, LockKey, Owner, Priority};

/// One key as a backend sees it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Which key.
    pub key: LockKey,
    /// Who has it now.
    pub holder: Holder,
    /// Live tickets, next to be granted first.
    pub queue: Vec<Waiter>,
    /// The highest token known of the key.
    pub last_token: FencingToken,
}

/// Who has a key now. A dead holder is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Holder {
    /// Nobody.
    Free,
    /// It could not be read. Neither held nor free may be concluded.
    Unknown,
    /// A lease of ours.
    Lease {
        /// Whose.
        owner: Owner,
        /// Its fencing number.
        token: FencingToken,
        /// Since when, wall clock in microseconds since 1970.
        since_us: u64,
        /// When it ends unless renewed, wall clock in microseconds since 1970; `None` where leases do not expire.
        expires_us: Option<u64>,
        /// Somebody asked the holder to let go.
        broken: bool,
    },
    /// The holder has died, and its supervisor keeps the lock until what the holder started has ended.
    Ending {
        /// Whose lease it was.
        owner: Owner,
    },
    /// A program that locks the same file without us, such as flock(1).
    Foreign {
        /// Its process, where the system tells.
        pid: Option<u32>,
        /// Its command, where the system tells.
        command: Option<String>,
    },
}

/// One live ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Whose.
    pub owner: Owner,
    /// Its number.
    pub ticket: u64,
    /// Its priority.
    pub priority: Priority,
    /// Since when, wall clock in microseconds since 1970.
    pub since_us: u64,
    /// How many later tickets have been granted before it.
    pub passed: u32,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Holder::Free => f.write_str("nobody holds it")?,
            Holder::Unknown => f.write_str("who holds it could not be read")?,
            Holder::Lease { owner, token, since_us, .. } => {
                let held_s = crate::clock::wall_clock_us().saturating_sub(*since_us) as f64 / 1e6;
                write!(f, "{owner} has held it for {held_s:.1} s under token {token}")?;
                if owner.is_stopped() {
                    f.write_str(" and is stopped")?;
                }
            }
            Holder::Ending { owner } => {
                write!(f, "{owner} has died, and its supervisor is ending what it started")?;
            }
            Holder::Foreign { pid, command } => {
                f.write_str("a program outside talkstick holds it")?;
                if let Some(pid) = pid {
                    write!(f, " (pid {pid}")?;
                    if let Some(command) = command {
                        write!(f, ", {command}")?;
                    }
                    f.write_str(")")?;
                }
            }
        }
        match self.queue.len() {
            0 => Ok(()),
            waiting => write!(f, ", {waiting} in line"),
        }
    }
}
