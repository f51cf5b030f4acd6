//! Whether a requestor has read what it was served: it deletes the property then, as the conventions ask of it.
//!
//! Some never do (Tk), so nobody may wait for that alone.

use x11rb::protocol::xproto::{
    Atom, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Property, PropertyNotifyEvent, Window,
};

use super::{frame::FromKeeper, incr::pieces_events, request::Asked, server::Keeper, side::Holds};
use crate::desktop::{Refusal, x11::connection::During as _};

const DOING: &str = "watching a requestor read";
/// At once. Who has not read by then is not watched any more, which costs its sender the quiet time.
const READINGS_MAX: usize = 64;

/// An answer that was put on a requestor's window.
#[derive(Debug)]
pub(super) struct Reading {
    requestor: Window,
    property: Atom,
    peer: u64,
    offer: u64,
    text: bool,
    requested_at_ns: u64,
    /// The server has told of our own writing: a deletion from now on is one of what we wrote.
    written: bool,
}

impl Keeper {
    /// Watches from before the answer is written, so that no deletion is missed.
    pub(super) fn watch_reading(&mut self, asked: &Asked, property: Atom, text: bool) -> Result<(), Refusal> {
        let Asked { requestor, requested_at_ns, .. } = *asked;
        let Holds::Offer { peer, offer, .. } = asked.holds else { return Ok(()) };
        self.readings.retain(|reading| (reading.requestor, reading.property) != (requestor, property));
        if self.readings.len() >= READINGS_MAX {
            return Ok(());
        }
        let events =
            ChangeWindowAttributesAux::new().event_mask(self.events_of(requestor) | EventMask::PROPERTY_CHANGE);
        // A window that has gone answers with an error event, which is dropped.
        self.display.x.change_window_attributes(requestor, &events).during(DOING)?;
        self.readings.push(Reading { requestor, property, peer, offer, text, requested_at_ns, written: false });
        Ok(())
    }

    /// A property has changed: tells the sender when it was an answer, and has been read.
    pub(super) fn note_reading(&mut self, change: &PropertyNotifyEvent) -> Result<(), Refusal> {
        let same = |reading: &Reading| (reading.requestor, reading.property) == (change.window, change.atom);
        let Some(at) = self.readings.iter().position(same) else { return Ok(()) };
        if change.state == Property::NEW_VALUE {
            self.readings[at].written = true;
            return Ok(());
        }
        if !self.readings[at].written {
            return Ok(());
        }
        let Reading { requestor, peer, offer, text, requested_at_ns, .. } = self.readings.swap_remove(at);
        self.leave(requestor)?;
        self.tell(peer, &FromKeeper::Read { offer, requestor, text, requested_at_ns });
        Ok(())
    }

    /// Stops watching for a sender that is done or gone.
    pub(super) fn leave_readings(&mut self, peer: u64) -> Result<(), Refusal> {
        let left: Vec<Window> =
            self.readings.extract_if(.., |reading| reading.peer == peer).map(|reading| reading.requestor).collect();
        left.into_iter().try_for_each(|requestor| self.leave(requestor))
    }

    /// Hears no more than is needed of a requestor's window: else every later change there would wake the keeper for ever.
    pub(super) fn leave(&self, requestor: Window) -> Result<(), Refusal> {
        let events = ChangeWindowAttributesAux::new().event_mask(self.events_of(requestor));
        // It may have gone: an error event then, which is dropped.
        self.display.x.change_window_attributes(requestor, &events).during(DOING)?;
        Ok(())
    }

    /// What is to be heard of a requestor's window.
    fn events_of(&self, requestor: Window) -> EventMask {
        let reads = self.readings.iter().any(|reading| reading.requestor == requestor);
        match (self.sends_pieces_to(requestor), reads) {
            (true, _) => pieces_events(),
            (false, true) => EventMask::PROPERTY_CHANGE,
            (false, false) => EventMask::NO_EVENT,
        }
    }
}
