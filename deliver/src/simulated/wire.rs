//! What goes over the socket: one JSON object a line, each request answered by one reply.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Fault, Log, refused::Refused, transport::Stream};
use crate::{
    MessageId,
    desktop::{Bound, Chord, Place, Selection, Unsent},
};

/// Longest line in bytes: the largest message with every character escaped, and room.
const LINE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Request {
    Hello { key: String },
    Watch { idle_ms: u64 },
    Unwatch,
    StillHindered { by: String, window: Option<u64>, idle_ms: u64 },
    AwaitChange { within_ms: u64 },
    Bind { place: Place },
    Sweep,
    Click { window: u64 },
    AwaitFocus { window: u64, within_ms: u64 },
    Offer { text: String, selection: Selection },
    Paste { window: u64, chord: Chord, id: MessageId },
    Submit { window: u64, chord: Chord, seen: bool },
    AwaitFetched { window: u64, fetches: u32, quiet_us: u64, within_ms: u64 },
    Restore,
    RawMove { x: i32, y: i32 },
    RawClick,
    RawCopy { text: String },
    RawChord { chord: Chord },
    Fault { fault: Fault },
    Log,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    Done,
    Bound { window: u64, client: u64, point: (i32, i32), description: String },
    Swept { released: Vec<String> },
    Pasted { unsent: Option<Unsent> },
    Fetched { by_target: u32, by_others: u32 },
    Log { log: Log },
    Refused { refused: Refused },
    Failed { message: String },
}

impl From<Bound> for Reply {
    fn from(Bound { window, client, point, description }: Bound) -> Self {
        Self::Bound { window, client, point, description }
    }
}

/// The simulated desktop could not be started or reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the simulated desktop{place}")]
pub struct SimulatedError {
    /// What was tried.
    pub operation: &'static str,
    /// Where, with a space before it; may be empty.
    pub place: String,
    /// What the system or the desktop said.
    pub source: io::Error,
}

impl SimulatedError {
    pub(super) fn new(operation: &'static str, place: impl std::fmt::Display, source: io::Error) -> Self {
        let place = place.to_string();
        let place = if place.is_empty() { place } else { format!(" {place}") };
        Self { operation, place, source }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<Stream>,
    writer: Stream,
}

impl Lines {
    pub(super) fn new(stream: Stream) -> io::Result<Self> {
        Ok(Self { writer: stream.try_clone()?, reader: BufReader::new(stream) })
    }

    /// The longest that the next read may take.
    pub(super) fn answer_within(&self, span: Duration) -> io::Result<()> {
        self.writer.set_read_timeout(span)
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.writer.write_all(&line)
    }

    /// The next message; `None` when the other end has closed.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is cut short, or too long"));
        }
        serde_json::from_slice(&line).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }
}
