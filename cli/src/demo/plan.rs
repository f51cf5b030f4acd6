//! What the demo and its sender processes say to each other: one JSON object a line.

use std::path::PathBuf;

use deliver::desktop::Place;
use serde::{Deserialize, Serialize};

use super::scenario::Planned;
use crate::settings::RedisSettings;

/// All that a sender is told, on its stdin: secrets (a store's password, a desktop's key) stay out of the arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SenderPlan {
    pub(crate) messages: Vec<Planned>,
    pub(crate) way: Way,
}

/// How it sends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Way {
    /// As the seed did before its lock: by mouse and keys, whoever else is at it.
    Unprotected {
        playground: Playground,
        /// The middle of each window.
        points: Vec<(i32, i32)>,
    },
    /// As talkstick does.
    Protected(Box<Protected>),
}

/// A desktop that nobody uses but the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Playground {
    /// The simulated desktop at this address.
    Simulated(String),
    /// The display of the sender's environment, marked with this secret as one that the demo started.
    Xvfb(String),
}

/// What talkstick needs to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Protected {
    pub(crate) backend: String,
    /// How to reach a Redis server.
    pub(crate) redis: RedisSettings,
    /// Where the locks and the journal are.
    pub(crate) root: PathBuf,
    pub(crate) key: String,
    pub(crate) desktop: DesktopAddress,
    /// Each window.
    pub(crate) places: Vec<Place>,
}

/// Where a protected sender finds the windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum DesktopAddress {
    /// On the simulated desktop at this address.
    Simulated(String),
    /// On this X display.
    X11(String),
}

/// What a sender says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// It is connected and waits for the word to begin.
    Ready,
    /// It has done with one message.
    Message {
        number: usize,
        /// When it turned to the message, in nanoseconds since the host started.
        asked_ns: u64,
        /// Its place in line, where it stood in one.
        ticket: Option<u64>,
        /// Why it does not call the message submitted.
        problem: Option<String>,
    },
    /// It has done with all. It stays until its stdin ends, for the clipboard is its own.
    Done,
}
