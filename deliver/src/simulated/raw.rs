//! The simulated desktop without any check: what a sender does that takes no turns.

use super::{
    Address,
    connection::Connection,
    wire::{Request, SimulatedError},
};
use crate::desktop::Chord;

/// A connection that moves, clicks, copies and presses keys, whatever has the focus then.
///
/// It takes no permit on purpose: it shows what happens without one. A simulated desktop is all that it can reach.
#[derive(Debug)]
pub struct Raw {
    connection: Connection,
    place: String,
}

impl Raw {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(address: &Address) -> Result<Self, SimulatedError> {
        Ok(Self { connection: Connection::open(address)?, place: format!("{address:?}") })
    }

    /// Moves the pointer.
    ///
    /// # Errors
    /// The desktop has gone; so for the others.
    pub fn move_to(&mut self, x: i32, y: i32) -> Result<(), SimulatedError> {
        self.command("move the pointer of", &Request::RawMove { x, y })
    }

    /// Clicks where the pointer is.
    ///
    /// # Errors
    /// As [`Raw::move_to`].
    pub fn click(&mut self) -> Result<(), SimulatedError> {
        self.command("click on", &Request::RawClick)
    }

    /// Puts a text on the clipboard.
    ///
    /// # Errors
    /// As [`Raw::move_to`].
    pub fn copy(&mut self, text: &str) -> Result<(), SimulatedError> {
        self.command("copy to", &Request::RawCopy { text: text.to_owned() })
    }

    /// Presses and releases a chord.
    ///
    /// # Errors
    /// As [`Raw::move_to`], and the chord's key is not on the keyboard.
    pub fn chord(&mut self, chord: &Chord) -> Result<(), SimulatedError> {
        self.command("press a key on", &Request::RawChord { chord: chord.clone() })
    }

    fn command(&mut self, operation: &'static str, request: &Request) -> Result<(), SimulatedError> {
        self.connection.command(request).map_err(|e| SimulatedError::new(operation, &self.place, e))
    }
}
