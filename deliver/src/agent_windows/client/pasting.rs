//! Pastes under way: from the key to the text in the box.

use x11rb::NONE;
use x11rb::protocol::xproto::{Atom, ConnectionExt as _, Property, PropertyNotifyEvent, SelectionNotifyEvent};

use super::Client;
use crate::agent_windows::error::AgentWindowsError;
use crate::agent_windows::paste::{Paste, Step};

impl Client {
    pub(super) fn begin_paste(&mut self, at: usize, time: u32) -> Result<(), AgentWindowsError> {
        let used = |slot: &Atom| self.windows[at].pastes.iter().any(|paste| paste.property() == *slot);
        let slot = match self.slots.iter().find(|slot| !used(slot)) {
            Some(slot) => *slot,
            None => {
                let name = format!("AGENT_PASTE_{}", self.slots.len());
                let slot = self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom;
                self.slots.push(slot);
                slot
            }
        };
        let window = &mut self.windows[at];
        if let Some(mut paste) = Paste::begin(&self.behaviour, self.atoms, window.id, slot, time) {
            paste.due(&self.connection, self.atoms)?;
            window.pastes.push(paste);
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, answer: SelectionNotifyEvent) -> Result<(), AgentWindowsError> {
        let Some(at) = self.position(answer.requestor) else { return Ok(()) };
        let refused = answer.property == NONE;
        let mut pastes = self.windows[at].pastes.iter_mut().enumerate();
        let asked =
            pastes.find(
                |(_, paste)| {
                    if refused { paste.is_asked_at(answer.time) } else { paste.property() == answer.property }
                },
            );
        let Some((number, paste)) = asked else { return Ok(()) };
        let step = paste.answered(&self.connection, self.atoms, refused)?;
        self.finish(at, number, step)
    }

    pub(super) fn property_changed(&mut self, change: PropertyNotifyEvent) -> Result<(), AgentWindowsError> {
        if change.state != Property::NEW_VALUE {
            return Ok(());
        }
        let Some(at) = self.position(change.window) else { return Ok(()) };
        let mut pastes = self.windows[at].pastes.iter_mut().enumerate();
        let Some((number, paste)) = pastes.find(|(_, paste)| paste.property() == change.atom) else { return Ok(()) };
        let step = paste.arrived(&self.connection, self.atoms)?;
        self.finish(at, number, step)
    }

    pub(super) fn do_what_is_due(&mut self) -> Result<(), AgentWindowsError> {
        for at in 0..self.windows.len() {
            // From the last to the first, for a finished one leaves the list.
            for number in (0..self.windows[at].pastes.len()).rev() {
                let step = self.windows[at].pastes[number].due(&self.connection, self.atoms)?;
                self.finish(at, number, step)?;
            }
        }
        self.take_input()
    }

    fn finish(&mut self, at: usize, number: usize, step: Step) -> Result<(), AgentWindowsError> {
        let window = &mut self.windows[at];
        match step {
            Step::Waiting => return Ok(()),
            Step::Text(text) => window.draft.push_str(&text),
            Step::Nothing => {}
        }
        window.pastes.remove(number);
        window.paint(&self.connection)
    }
}
