//! The mark of a display: a selection that the one sender at work there owns.
//!
//! Locks exclude those who are configured alike, or share a host and a user. The server itself is what all have in common who
//! can reach its devices: senders of other roots, other users and other hosts. It frees the mark when its owner's connection
//! ends, however that comes.

use lock_core::{Owner, Permit};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        xfixes::{ConnectionExt as _, SelectionEventMask},
        xproto::{AtomEnum, ConnectionExt as _, PropMode, SelectionClearEvent, Window},
    },
    wrapper::ConnectionExt as _,
};

use super::{
    X11Desktop,
    connection::{Display, During as _},
    guarded::ServerGrab,
    press::still_permitted,
};
use crate::desktop::Refusal;

const DOING: &str = "marking the display as in use";

/// Whose the mark is, as far as this connection was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// Not ours.
    #[default]
    None,
    /// Ours.
    Ours,
    /// It was ours, and somebody took it.
    Taken,
}

impl X11Desktop {
    /// Makes this the one sender at work on the display, unless another one is.
    pub(in crate::desktop) fn take_mark(&self, permit: &Permit<'_>) -> Result<(), Refusal> {
        let grab = ServerGrab::begin(&self.display, &self.watch)?;
        let owner = self.mark_owner()?;
        // What the server said of an earlier mark has been read now.
        self.drain_events()?;
        if owner != NONE && owner != self.probe_window {
            drop(grab);
            return Err(Refusal::DisplayTaken { by: self.describe_owner(owner)? });
        }
        still_permitted(permit)?;
        let mark = self.display.atoms._TALKSTICK;
        self.display.x.set_selection_owner(self.probe_window, mark, CURRENT_TIME).during(DOING)?;
        self.mark.set(Mark::Ours);
        grab.submit(DOING)
    }

    /// Lets others work on the display.
    pub(super) fn give_mark_back(&self) {
        if self.mark.replace(Mark::None) != Mark::Ours {
            return;
        }
        let mark = self.display.atoms._TALKSTICK;
        let given = self.display.x.set_selection_owner(NONE, mark, CURRENT_TIME).map(drop);
        if let Err(error) = given.and_then(|()| self.display.x.flush()) {
            // The server frees what a broken connection owned.
            tracing::debug!(%error, "the display's mark ended with its connection");
        }
    }

    /// Asked in each grab after an answer was read: what came before the grab has been noted then.
    pub(super) fn refuse_taken_mark(&self) -> Result<(), Refusal> {
        match self.mark.get() {
            Mark::Taken => Err(Refusal::LeaseLost("another program took the display's mark `_TALKSTICK`".into())),
            Mark::None | Mark::Ours => Ok(()),
        }
    }

    /// Refuses while another sender is at work on the display; its end is an event.
    pub(super) fn marked_now(&self) -> Result<(), Refusal> {
        let events = SelectionEventMask::SET_SELECTION_OWNER
            | SelectionEventMask::SELECTION_WINDOW_DESTROY
            | SelectionEventMask::SELECTION_CLIENT_CLOSE;
        let mark = self.display.atoms._TALKSTICK;
        self.display.x.xfixes_select_selection_input(self.probe_window, mark, events).during(DOING)?;
        match self.mark_owner()? {
            NONE => Ok(()),
            owner if owner == self.probe_window => Ok(()),
            owner => Err(Refusal::DisplayTaken { by: self.describe_owner(owner)? }),
        }
    }

    pub(super) fn note_mark(&self, cleared: &SelectionClearEvent) {
        if cleared.selection == self.display.atoms._TALKSTICK && self.mark.get() == Mark::Ours {
            self.mark.set(Mark::Taken);
        }
    }

    fn mark_owner(&self) -> Result<Window, Refusal> {
        let asked = self.display.x.get_selection_owner(self.display.atoms._TALKSTICK).during(DOING)?;
        Ok(asked.reply().during(DOING)?.owner)
    }
}

impl Display {
    /// Writes on our window whose it is: for those whom the mark holds off, maybe on another host.
    pub(super) fn sign(&self, window: Window) -> Result<(), Refusal> {
        let Owner { host, pid, .. } = Owner::current("");
        let (replace, atoms) = (PropMode::REPLACE, &self.atoms);
        let title = format!("talkstick on {host}");
        self.x
            .change_property8(replace, window, atoms._NET_WM_NAME, atoms.UTF8_STRING, title.as_bytes())
            .during(DOING)?;
        self.x.change_property32(replace, window, atoms._NET_WM_PID, AtomEnum::CARDINAL, &[pid]).during(DOING)?;
        Ok(())
    }
}
