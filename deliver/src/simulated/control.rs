//! The control side: faults and the log.

use std::{io, time::Duration};

use super::{
    Address, Fault, Log,
    connection::Connection,
    wire::{Reply, Request, SimulatedError},
};

/// A connection that sets off faults and reads what arrived.
#[derive(Debug)]
pub struct Control {
    connection: Connection,
    place: String,
}

impl Control {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(address: &Address) -> Result<Self, SimulatedError> {
        Ok(Self { connection: Connection::open(address)?, place: format!("{address:?}") })
    }

    /// Sets off a fault, or lays it in wait for its step.
    ///
    /// # Errors
    /// The desktop has gone, or knows no such window.
    pub fn fault(&mut self, fault: Fault) -> Result<(), SimulatedError> {
        let done = self.connection.command(&Request::Fault { fault });
        done.map_err(|e| SimulatedError::new("set off a fault in", &self.place, e))
    }

    /// What has arrived, when nothing that was pressed before is still on its way.
    ///
    /// # Errors
    /// The desktop has gone.
    pub fn log(&mut self) -> Result<Log, SimulatedError> {
        let failed = |e| SimulatedError::new("read the log of", &self.place, e);
        match self.connection.ask(&Request::Log, Duration::from_secs(60)).map_err(failed)? {
            Reply::Log { log } => Ok(log),
            other => Err(failed(io::Error::other(format!("an unexpected answer: {other:?}")))),
        }
    }
}
