//! The server grab: between a check and the act that relies on it, no other client does anything.

use x11rb::{connection::Connection as _, errors::ReplyError, protocol::xproto::ConnectionExt as _};

use super::{
    connection::{Display, During as _},
    keeper::Watch,
};
use crate::desktop::Refusal;

/// The server is ours until this is submitted or dropped, or until the keeper's watchdog finds it too long.
///
/// Nothing in it may wait for anything but the server's own answers.
#[derive(Debug)]
pub(super) struct ServerGrab<'d> {
    display: &'d Display,
    watch: &'d Watch,
    held: bool,
}

impl<'d> ServerGrab<'d> {
    /// Grabs the server, together with the first question asked after it.
    pub(super) fn begin(display: &'d Display, watch: &'d Watch) -> Result<Self, Refusal> {
        // A server that somebody else holds is found here, not inside our own grab's hundred milliseconds.
        display.answer_soon();
        display.round_trip("waiting for the X server")?;
        watch.begins()?;
        display.x.grab_server().during("grabbing the X server")?;
        Ok(Self { display, watch, held: true })
    }

    /// Sends all that was asked for since the last answer, and the end of the grab, in one write.
    ///
    /// An error after that write tells nothing about what was done: it is [`Refusal::Disconnected`].
    pub(super) fn submit(mut self, during: &'static str) -> Result<(), Refusal> {
        let broke = |error: ReplyError| Refusal::Disconnected { during, why: error.to_string() };
        let ungrabbed = self.display.x.ungrab_server().map_err(|error| broke(error.into()))?;
        let done = self.display.x.get_input_focus().map_err(|error| broke(error.into()))?;
        self.display.x.flush().map_err(|error| broke(error.into()))?;
        self.held = false;
        self.ended();
        drop(ungrabbed);
        done.reply().map_err(broke)?;
        Ok(())
    }

    /// The keeper may be gone by now; the next grab or offer finds that out and says so.
    fn ended(&self) {
        if let Err(refusal) = self.watch.ends() {
            tracing::warn!(%refusal, "the watchdog was not told that a grab has ended");
        }
    }
}

impl Drop for ServerGrab<'_> {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let ended = self.display.x.ungrab_server().map(drop).and_then(|()| self.display.x.flush());
        if let Err(error) = ended {
            // A broken connection ends its grab by itself.
            tracing::debug!(%error, "the server grab ended with its connection");
        }
        self.ended();
    }
}
