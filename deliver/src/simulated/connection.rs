//! One connection to a simulated desktop.

use std::{io, time::Duration};

use super::{
    Address,
    transport::{Place, Stream},
    wire::{Lines, Reply, Request, SimulatedError},
};

/// What an answer may take beyond the wait that was asked for: a busy machine, not a hung desktop.
const ANSWER_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Connection {
    lines: Lines,
}

impl Connection {
    pub(super) fn open(address: &Address) -> Result<Self, SimulatedError> {
        let failed = |e| SimulatedError::new("reach", format!("{address:?}"), e);
        let lines = Stream::connect(address).and_then(Lines::new).map_err(failed)?;
        let mut connection = Self { lines };
        if let Place::Tcp(_, key) = &address.0 {
            connection.command(&Request::Hello { key: key.clone() }).map_err(failed)?;
        }
        Ok(connection)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, request: &Request, within: Duration) -> io::Result<Reply> {
        let within = within.saturating_add(ANSWER_GRACE);
        self.lines.answer_within(within)?;
        self.lines.send(request)?;
        let reply = self.lines.receive().map_err(|e| match e.kind() {
            // What the system says of a read that timed out.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:?}"))
            }
            _ => e,
        });
        reply?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the simulated desktop has gone"))
    }

    /// Asks for something that is done or fails.
    pub(super) fn command(&mut self, request: &Request) -> io::Result<()> {
        match self.ask(request, Duration::ZERO)? {
            Reply::Done => Ok(()),
            Reply::Failed { message } => Err(io::Error::other(message)),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("an unexpected answer: {other:?}"))),
        }
    }
}
