//! Fetching what the clipboard holds before it is taken over: all formats, within bounds.

use std::{sync::Arc, time::Duration};

use lock_core::Moment;
use x11rb::{
    NONE,
    protocol::{
        Event,
        xproto::{Atom, AtomEnum, ConnectionExt as _, GetPropertyReply, Property, Timestamp},
    },
};

use super::{
    content::{Content, Format},
    server::Keeper,
    side::Saved,
};
use crate::desktop::{Refusal, x11::connection::During as _};

const DOING: &str = "saving what the clipboard holds";
/// For each answer, and each piece of a long one. An owner that is silent for longer keeps the lock's holder waiting for
/// nothing; one that is only slow, on a busy machine, loses nothing.
const SILENT_MAX: Duration = Duration::from_millis(500);
/// For all formats together: an owner may always have one more piece.
const SAVE_WITHIN: Duration = Duration::from_secs(4);
/// Of all formats together.
const SAVED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Formats of one content; office programs offer about thirty.
const FORMATS_MAX: usize = 64;

/// Why a format was not saved.
enum Unsaved {
    /// Its owner refused it, as it may.
    Refused,
    TooLate,
    TooLarge,
}

impl Keeper {
    /// Fetches what the selection holds. It is complete, or says what is missing.
    pub(super) fn save(&mut self, at: usize) -> Result<Saved, Refusal> {
        let name = self.sides[at].name;
        let owner = self.display.x.get_selection_owner(name).during(DOING)?.reply().during(DOING)?.owner;
        if owner == NONE || owner == self.window {
            return Ok(Saved::default());
        }
        let until = Moment::now() + SAVE_WITHIN;
        let time = self.server_time()?;
        let Ok(list) = self.fetch(name, self.display.atoms.TARGETS, time, until, SAVED_BYTES_MAX)? else {
            let missing = Some("the clipboard's former owner did not say what it holds".into());
            return Ok(Saved { content: None, missing });
        };
        let mut content = Content::default();
        let mut missing = None;
        let mut room = SAVED_BYTES_MAX;
        for target in self.worth_saving(&list) {
            if content.formats.len() >= FORMATS_MAX {
                missing = Some(format!("the clipboard held more than {FORMATS_MAX} formats"));
                break;
            }
            match self.fetch(name, target, time, until, room)? {
                Ok(format) => {
                    room -= format.bytes.len();
                    content.formats.push(format);
                }
                Err(Unsaved::Refused) => {}
                Err(Unsaved::TooLarge) => {
                    missing = Some(format!("the clipboard held more than {SAVED_BYTES_MAX} bytes"));
                }
                Err(Unsaved::TooLate) => {
                    missing = Some("the clipboard's former owner was too slow to give all of it".into());
                    break;
                }
            }
        }
        let content = (!content.formats.is_empty()).then(|| Arc::new(content));
        Ok(Saved { content, missing })
    }

    /// The targets of a list that are content, and not questions or orders to the owner.
    fn worth_saving(&self, list: &Format) -> Vec<Atom> {
        let atoms = &self.display.atoms;
        let orders = [atoms.TARGETS, atoms.TIMESTAMP, atoms.MULTIPLE, atoms.SAVE_TARGETS, atoms.DELETE, NONE];
        let words = list.bytes.chunks_exact(4).filter_map(|word| word.first_chunk::<4>());
        let mut targets: Vec<Atom> = words.map(|word| u32::from_ne_bytes(*word)).collect();
        targets.retain(|target| !orders.contains(target));
        let mut seen = std::collections::HashSet::new();
        targets.retain(|target| seen.insert(*target));
        targets
    }

    /// One target of a selection's owner.
    fn fetch(
        &mut self,
        name: Atom,
        target: Atom,
        time: Timestamp,
        until: Moment,
        room: usize,
    ) -> Result<Result<Format, Unsaved>, Refusal> {
        let window = self.window;
        // The target's own name is a property that no other fetch of ours uses.
        self.display.x.delete_property(window, target).during(DOING)?;
        self.display.x.convert_selection(window, name, target, target, time).during(DOING)?;
        let answer = self.await_event(next_sign(until), |event| match event {
            Event::SelectionNotify(answer) if answer.selection == name && answer.target == target => {
                Some(answer.property)
            }
            _ => None,
        })?;
        match answer {
            None => return Ok(Err(Unsaved::TooLate)),
            Some(NONE) => return Ok(Err(Unsaved::Refused)),
            Some(_) => {}
        }
        let Some(first) = self.take_property(target, room)? else { return Ok(Err(Unsaved::TooLarge)) };
        match first.type_ == self.display.atoms.INCR {
            true => self.fetch_pieces(target, until, room),
            false => Ok(Ok(format_of(target, &first, first.value.clone()))),
        }
    }

    /// The pieces of a long answer; each is asked for by taking the one before.
    fn fetch_pieces(&mut self, target: Atom, until: Moment, room: usize) -> Result<Result<Format, Unsaved>, Refusal> {
        let window = self.window;
        let mut bytes = Vec::new();
        loop {
            let come = self.await_event(next_sign(until), |event| match event {
                Event::PropertyNotify(change) => {
                    let new = change.state == Property::NEW_VALUE;
                    (change.window == window && change.atom == target && new).then_some(())
                }
                _ => None,
            })?;
            if come.is_none() {
                return Ok(Err(Unsaved::TooLate));
            }
            let left = room - bytes.len();
            let Some(piece) = self.take_property(target, left)? else { return Ok(Err(Unsaved::TooLarge)) };
            if piece.value.is_empty() {
                return Ok(Ok(format_of(target, &piece, bytes)));
            }
            bytes.extend_from_slice(&piece.value);
        }
    }

    /// Reads and deletes a property of our window; `None` when it is longer than `room`.
    fn take_property(&self, property: Atom, room: usize) -> Result<Option<GetPropertyReply>, Refusal> {
        let units = u32::try_from(room / 4).unwrap_or(u32::MAX);
        let asked = self.display.x.get_property(true, self.window, property, AtomEnum::ANY, 0, units).during(DOING)?;
        let reply = asked.reply().during(DOING)?;
        Ok((reply.bytes_after == 0).then_some(reply))
    }
}

/// When the owner's next answer or piece has to be here, if all have to be `until`.
fn next_sign(until: Moment) -> Moment {
    until.min(Moment::now() + SILENT_MAX)
}

fn format_of(target: Atom, reply: &GetPropertyReply, bytes: Vec<u8>) -> Format {
    let bits = if matches!(reply.format, 8 | 16 | 32) { reply.format } else { 8 };
    Format { target, kind: reply.type_, bits, bytes: bytes.into(), is_text: false }
}
