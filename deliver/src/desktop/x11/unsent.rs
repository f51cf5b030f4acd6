//! The note of what may stand unsent in a window: a property of that window.
//!
//! Text that went astray stands nobody knows where: that note is on the root window, and counts for every place of the
//! display until Enter was pressed there.

use x11rb::{
    cookie::Cookie,
    protocol::xproto::{AtomEnum, ConnectionExt as _, GetPropertyReply, PropMode, TranslateCoordinatesReply, Window},
    wrapper::ConnectionExt as _,
};

use super::{
    X11Desktop,
    bind::Target,
    connection::{Display, During as _, X, unless_gone},
};
use crate::{
    MessageId,
    desktop::{
        Refusal, Unsent,
        unsent::{NOTE_BYTES_MAX, Note, place},
    },
};

const DOING: &str = "reading the note on the target";
/// In 4-byte units, and one more, so that a longer note is seen to be none.
const NOTE_UNITS_MAX: u32 = NOTE_BYTES_MAX as u32 / 4 + 1;

/// Questions on their way about the note on a target, and where in its window the target's point lies.
pub(super) struct AskedNote<'d> {
    window: Window,
    note: Cookie<'d, X, GetPropertyReply>,
    astray: Cookie<'d, X, GetPropertyReply>,
    point: Cookie<'d, X, TranslateCoordinatesReply>,
}

/// The note on a target, as last read or written.
#[derive(Debug, Clone)]
pub(super) struct OnTarget {
    window: Window,
    point: (i32, i32),
    note: Note,
    /// What went astray on the display.
    astray: Note,
}

impl Display {
    pub(super) fn ask_for_note(&self, target: &Target) -> Result<AskedNote<'_>, Refusal> {
        let (window, name, (x, y)) = (target.window, self.atoms._TALKSTICK_UNSENT, target.point);
        let note = self.x.get_property(false, window, name, AtomEnum::ANY, 0, NOTE_UNITS_MAX).during(DOING)?;
        let astray = self.x.get_property(false, self.root, name, AtomEnum::ANY, 0, NOTE_UNITS_MAX).during(DOING)?;
        let point = self.x.translate_coordinates(self.root, window, x, y).during(DOING)?;
        Ok(AskedNote { window, note, astray, point })
    }

    /// Writes a note with the requests that follow.
    pub(super) fn write_note(&self, OnTarget { window, note, .. }: &OnTarget) -> Result<(), Refusal> {
        self.write_note_on(*window, note)
    }

    fn write_note_on(&self, window: Window, note: &Note) -> Result<(), Refusal> {
        const DOING: &str = "leaving a note";
        let (name, kind) = (self.atoms._TALKSTICK_UNSENT, self.atoms.UTF8_STRING);
        let written = match note.text() {
            Some(text) => self.x.change_property8(PropMode::REPLACE, window, name, kind, text.as_bytes()),
            None => self.x.delete_property(window, name),
        };
        written.map(drop).during(DOING)
    }
}

impl AskedNote<'_> {
    pub(super) fn answer(self) -> Result<OnTarget, Refusal> {
        let gone = || Refusal::TargetGone("its window was closed just now".into());
        let note = unless_gone(self.note.reply(), DOING)?.ok_or_else(gone)?;
        let point = unless_gone(self.point.reply(), DOING)?.ok_or_else(gone)?;
        let astray = self.astray.reply().during(DOING)?;
        let point = (point.dst_x.into(), point.dst_y.into());
        Ok(OnTarget { window: self.window, point, note: read(&note), astray: read(&astray) })
    }
}

fn read(note: &GetPropertyReply) -> Note {
    if note.type_ == x11rb::NONE { Note::default() } else { Note::read(&note.value) }
}

impl OnTarget {
    /// Whose text may stand in the target's box.
    pub(super) fn unsent(&self) -> Option<Unsent> {
        self.note.unsent_at(self.point).or_else(|| self.astray.unsent_at(self.place()))
    }

    /// This place among all of the display.
    fn place(&self) -> (i32, i32) {
        place(self.window.cast_signed(), self.point)
    }

    /// As it is with the paste of `id`.
    pub(super) fn pasted(&self, id: &MessageId) -> Self {
        Self { note: self.note.clone().pasted(id, self.point), ..self.clone() }
    }
}

impl X11Desktop {
    /// Leaves the note that text of `id` may stand unsent in the target's box, or anywhere until [`Self::note_arrived`]; says
    /// whose may already stand in the target's.
    #[cfg(not(target_os = "macos"))]
    pub(in crate::desktop) fn note_paste_of(
        &mut self,
        bound: &crate::desktop::Bound,
        id: &MessageId,
    ) -> Result<Option<Unsent>, Refusal> {
        let before = self.display.ask_for_note(&self.target(bound)?)?.answer()?;
        self.display.write_note(&before.pasted(id))?;
        // Before the keys: a sender that dies right after them leaves this note, too.
        self.display.write_note_on(self.display.root, &before.astray.clone().astray(id))?;
        let unsent = before.unsent();
        self.note_before = Some(before);
        Ok(unsent)
    }

    /// The paste went nowhere else than to the target.
    #[cfg(not(target_os = "macos"))]
    pub(in crate::desktop) fn note_arrived(&self) {
        if let Some(before) = &self.note_before {
            self.settle_note(self.display.root, &before.astray);
        }
    }

    /// Puts the notes back to what they were before the paste: nothing was typed.
    #[cfg(not(target_os = "macos"))]
    pub(in crate::desktop) fn note_nothing(&mut self) {
        self.note_arrived();
        let Some(before) = self.note_before.take() else { return };
        self.settle_note(before.window, &before.note);
    }

    /// The box is empty: Enter was pressed, and what was pasted had been read. Where the note cannot be changed, the next
    /// message is doubted, and no more.
    pub(in crate::desktop) fn note_enter(&mut self) {
        let Some(before) = self.note_before.take() else { return };
        let place = before.place();
        let OnTarget { window, point, note, astray } = before;
        self.settle_note(window, &note.emptied(point));
        if astray.text().is_some() {
            self.settle_note(self.display.root, &astray.emptied(place));
        }
    }

    fn settle_note(&self, window: Window, note: &Note) {
        let written = self.display.write_note_on(window, note);
        // Seen to be done: the server does not read what a client wrote right before it hung up, as a sender does that ends.
        if let Err(refusal) = written.and_then(|()| self.display.round_trip("settling a note")) {
            tracing::warn!(%refusal, "the note of unsent text stays");
        }
    }
}
