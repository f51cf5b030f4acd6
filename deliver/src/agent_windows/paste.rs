//! One paste, from the key to the text.

use std::time::{Duration, Instant};

use x11rb::errors::ReplyError;
use x11rb::protocol::ErrorKind;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, GetPropertyReply, Timestamp, Window};
use x11rb::rust_connection::RustConnection;

use super::behaviour::{Behaviour, Fetch, PasteKey};
use super::error::AgentWindowsError;

/// How long an application waits for the owner of a selection before it gives the paste up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names that are the same for all pastes of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atoms {
    pub(super) clipboard: Atom,
    pub(super) targets: Atom,
    pub(super) utf8: Atom,
    pub(super) incr: Atom,
}

/// One press of the paste key, until its text is there.
#[derive(Debug)]
pub(super) struct Paste {
    window: Window,
    property: Atom,
    selection: Atom,
    time: Timestamp,
    targets_left: u32,
    texts_left: u32,
    keeps_property: bool,
    stage: Stage,
    give_up: Instant,
}

#[derive(Debug)]
enum Stage {
    /// The application has not got round to asking.
    Later(Instant),
    /// Asked; the owner has not answered.
    Asked,
    /// The owner sends the text in pieces.
    Pieces(Vec<u8>),
}

/// What an answer led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More answers are to come.
    Waiting,
    /// The text is there.
    Text(String),
    /// There is no text.
    Nothing,
}

impl Paste {
    /// Begins a paste; `None` when this application never asks for the text.
    pub(super) fn begin(
        behaviour: &Behaviour,
        atoms: Atoms,
        window: Window,
        property: Atom,
        time: Timestamp,
    ) -> Option<Self> {
        let now = Instant::now();
        let at = match behaviour.fetch {
            Fetch::AtOnce => now,
            Fetch::AfterMs(later) => now + Duration::from_millis(later),
            Fetch::Never => return None,
        };
        let selection = match behaviour.paste_key {
            PasteKey::CtrlV | PasteKey::CtrlShiftV => atoms.clipboard,
            PasteKey::ShiftInsert => AtomEnum::PRIMARY.into(),
        };
        Some(Self {
            window,
            property,
            selection,
            time,
            targets_left: behaviour.target_requests,
            texts_left: behaviour.text_requests.max(1),
            keeps_property: behaviour.keeps_property,
            stage: Stage::Later(at),
            give_up: at + PATIENCE,
        })
    }

    /// The property that its text is put into.
    pub(super) const fn property(&self) -> Atom {
        self.property
    }

    /// When [`Paste::due`] wants to be called.
    pub(super) const fn wakes_at(&self) -> Instant {
        match self.stage {
            Stage::Later(at) => at,
            Stage::Asked | Stage::Pieces(_) => self.give_up,
        }
    }

    /// Does what is due by now: asks, or gives up.
    pub(super) fn due(&mut self, connection: &RustConnection, atoms: Atoms) -> Result<Step, AgentWindowsError> {
        let now = Instant::now();
        match self.stage {
            Stage::Later(at) if now >= at => {
                self.ask(connection, atoms)?;
                Ok(Step::Waiting)
            }
            Stage::Asked | Stage::Pieces(_) if now >= self.give_up => Ok(Step::Nothing),
            _ => Ok(Step::Waiting),
        }
    }

    /// Whether an answer that names no property (a refusal) may be for this paste.
    pub(super) fn is_asked_at(&self, time: Timestamp) -> bool {
        matches!(self.stage, Stage::Asked) && self.time == time
    }

    /// The owner answered: `refused`, or its answer is in the property.
    pub(super) fn answered(
        &mut self,
        connection: &RustConnection,
        atoms: Atoms,
        refused: bool,
    ) -> Result<Step, AgentWindowsError> {
        if self.targets_left > 0 {
            // A refused list of formats stops nobody from asking for text.
            self.targets_left -= 1;
            if !refused {
                connection.delete_property(self.window, self.property)?;
            }
            self.ask(connection, atoms)?;
            return Ok(Step::Waiting);
        }
        if refused {
            return Ok(Step::Nothing);
        }
        let Some(value) = self.take(connection, !self.keeps_property)? else { return Ok(Step::Nothing) };
        if value.type_ == atoms.incr {
            // Deleting the announcement, kept property or not, is what makes the owner send the first piece. Only once:
            // a second deletion could hit that piece, unread.
            if self.keeps_property {
                connection.delete_property(self.window, self.property)?;
            }
            self.stage = Stage::Pieces(Vec::new());
            return Ok(Step::Waiting);
        }
        self.whole(connection, atoms, value.value)
    }

    /// The property has a new value: a piece, when the owner sends pieces.
    pub(super) fn arrived(&mut self, connection: &RustConnection, atoms: Atoms) -> Result<Step, AgentWindowsError> {
        if !matches!(self.stage, Stage::Pieces(_)) {
            return Ok(Step::Waiting);
        }
        let Some(piece) = self.take(connection, true)? else { return Ok(Step::Nothing) };
        let piece = piece.value;
        let Stage::Pieces(text) = &mut self.stage else { return Ok(Step::Waiting) };
        if !piece.is_empty() {
            text.extend_from_slice(&piece);
            return Ok(Step::Waiting);
        }
        let text = std::mem::take(text);
        self.whole(connection, atoms, text)
    }

    fn ask(&mut self, connection: &RustConnection, atoms: Atoms) -> Result<(), AgentWindowsError> {
        if self.keeps_property {
            connection.delete_property(self.window, self.property)?;
        }
        let target = if self.targets_left > 0 { atoms.targets } else { atoms.utf8 };
        connection.convert_selection(self.window, self.selection, target, self.property, self.time)?;
        self.stage = Stage::Asked;
        Ok(())
    }

    /// A text is complete: the last one asked for is the one that is inserted.
    fn whole(&mut self, connection: &RustConnection, atoms: Atoms, text: Vec<u8>) -> Result<Step, AgentWindowsError> {
        self.texts_left -= 1;
        if self.texts_left == 0 {
            return Ok(Step::Text(String::from_utf8_lossy(&text).into_owned()));
        }
        self.ask(connection, atoms)?;
        Ok(Step::Waiting)
    }

    /// What is in the property; `None` when another client has closed the window meanwhile.
    fn take(&self, connection: &RustConnection, delete: bool) -> Result<Option<GetPropertyReply>, AgentWindowsError> {
        let any = AtomEnum::ANY;
        match connection.get_property(delete, self.window, self.property, any, 0, u32::MAX / 4)?.reply() {
            Err(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Window => Ok(None),
            value => Ok(Some(value?)),
        }
    }
}
