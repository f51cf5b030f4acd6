//! The note of what may stand unsent in a window: a property of that window.
//!
//! Text that went astray stands nobody knows where: that note is on the desktop's own window, and counts for every place until
//! Enter was pressed there.
//!
//! A property holds a number alone. It is that of a global atom, whose name is the note.

use std::io;

use windows_sys::{
    Win32::{
        Foundation::HANDLE,
        System::DataExchange::{GlobalAddAtomW, GlobalDeleteAtom, GlobalGetAtomNameW},
        UI::WindowsAndMessaging::{GetDesktopWindow, GetPropW, RemovePropW, SetPropW},
    },
    core::PCWSTR,
    w,
};

use super::window::Window;
use crate::{
    MessageId,
    desktop::{
        Unsent,
        unsent::{Note, place},
    },
};

const NOTE: PCWSTR = w!("TalkstickUnsent");
/// Before the note in an atom's name, so that no other program's atom is taken for ours.
const PREFIX: &str = "talkstick ";
/// Longest name of an atom, in UTF-16 units, with its end.
const NAME_UNITS_MAX: usize = 256;

/// The notes as they were before a paste.
pub(super) struct Noted {
    window: Window,
    /// Where the paste goes, from the window's corner.
    point: (i32, i32),
    note: Note,
    /// What went astray on the desktop.
    astray: Note,
}

impl Noted {
    pub(super) fn read(window: Window, point: (i32, i32)) -> Self {
        Self { window, point, note: window.note(), astray: Window::desktop().note() }
    }

    /// Whose text may stand in the box at the point.
    pub(super) fn unsent(&self) -> Option<Unsent> {
        self.note.unsent_at(self.point).or_else(|| self.astray.unsent_at(self.place()))
    }

    /// Notes that text of `id` may stand in the target's box, or anywhere until [`Self::arrived`]. Before the keys: a sender
    /// that dies right after them leaves these notes, too.
    pub(super) fn pasted(&self, id: &MessageId) -> io::Result<()> {
        self.window.write_note(&self.note.clone().pasted(id, self.point))?;
        settle(Window::desktop(), &self.astray.clone().astray(id));
        Ok(())
    }

    /// The paste went nowhere else than to the target.
    pub(super) fn arrived(&self) {
        settle(Window::desktop(), &self.astray);
    }

    /// Nothing was pasted; `there`: the window is still the same.
    pub(super) fn nothing(self, there: bool) {
        self.arrived();
        if there {
            settle(self.window, &self.note);
        }
    }

    /// Enter has emptied the box.
    pub(super) fn emptied(self, there: bool) {
        let place = self.place();
        if there {
            settle(self.window, &self.note.emptied(self.point));
        }
        if self.astray.text().is_some() {
            settle(Window::desktop(), &self.astray.emptied(place));
        }
    }

    /// This place among all of the desktop.
    fn place(&self) -> (i32, i32) {
        // Handles have 32 bits that count.
        place(self.window.0 as i32, self.point)
    }
}

/// Where a note cannot be changed, the next message is doubted, and no more; where one cannot be left on the desktop, only
/// the target knows of the text.
fn settle(window: Window, note: &Note) {
    if let Err(error) = window.write_note(note) {
        tracing::warn!(%error, "a note of unsent text was not changed");
    }
}

impl Window {
    /// The one below all others.
    fn desktop() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { GetDesktopWindow() })
    }

    /// The note on it.
    pub(super) fn note(self) -> Note {
        // SAFETY: takes numbers and a constant text; a window that is no more has no property.
        let note = unsafe { GetPropW(self.0, NOTE) };
        // Any program may set any number: one that is no atom of ours tells nothing that can be read.
        if note.is_null() { Note::default() } else { Note::read(text_of(atom_of(note)).unwrap_or_default().as_bytes()) }
    }

    /// Writes the note on it in place of the one that is there.
    pub(super) fn write_note(self, note: &Note) -> io::Result<()> {
        // SAFETY: takes numbers and a constant text; null where there was none.
        let before = unsafe { GetPropW(self.0, NOTE) };
        match note.text() {
            Some(text) => self.set_note(&text)?,
            // SAFETY: as above.
            None => drop(unsafe { RemovePropW(self.0, NOTE) }),
        }
        if text_of(atom_of(before)).is_some() {
            // SAFETY: the atom is one of ours, added when that note was written.
            unsafe { GlobalDeleteAtom(atom_of(before)) };
        }
        Ok(())
    }

    fn set_note(self, text: &str) -> io::Result<()> {
        let name: Vec<u16> = format!("{PREFIX}{text}\0").encode_utf16().collect();
        // SAFETY: the name ends with a zero and outlives the call.
        let atom = unsafe { GlobalAddAtomW(name.as_ptr()) };
        if atom == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: takes numbers and a constant text.
        if unsafe { SetPropW(self.0, NOTE, usize::from(atom) as HANDLE) } == 0 {
            let error = io::Error::last_os_error();
            // SAFETY: the atom is the one that was added.
            unsafe { GlobalDeleteAtom(atom) };
            return Err(error);
        }
        Ok(())
    }
}

fn atom_of(note: HANDLE) -> u16 {
    u16::try_from(note as usize).unwrap_or_default()
}

/// The note that an atom of ours names.
fn text_of(atom: u16) -> Option<String> {
    let mut name = [0; NAME_UNITS_MAX];
    // SAFETY: the buffer is as long as is said; an atom that does not exist gives 0.
    let length = unsafe { GlobalGetAtomNameW(atom, name.as_mut_ptr(), NAME_UNITS_MAX as i32) };
    let name = String::from_utf16_lossy(name.get(..length as usize)?);
    name.strip_prefix(PREFIX).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::UI::WindowsAndMessaging::{CreateWindowExW, DestroyWindow, HWND_MESSAGE};

    use super::*;

    #[test]
    fn a_note_is_on_its_window_and_leaves_no_atom_behind() {
        let (class, none) = (w!("STATIC"), std::ptr::null_mut());
        // SAFETY: constant texts, numbers and nothing.
        let window =
            unsafe { CreateWindowExW(0, class, NOTE, 0, 0, 0, 1, 1, HWND_MESSAGE, none, none, std::ptr::null()) };
        let (window, id) = (Window(window), "m1".parse().unwrap());
        assert_eq!(window.note(), Note::default());
        let note = Note::default().pasted(&id, (10, -20));
        window.write_note(&note).unwrap();
        assert_eq!(window.note(), note);
        // SAFETY: takes numbers and a constant text.
        let atom = atom_of(unsafe { GetPropW(window.0, NOTE) });
        window.write_note(&note.emptied((10, -20))).unwrap();
        assert_eq!((window.note(), text_of(atom)), (Note::default(), None));
        // SAFETY: takes numbers and a constant text: what another program may do.
        assert_ne!(unsafe { SetPropW(window.0, NOTE, 7 as HANDLE) }, 0);
        assert_eq!(window.note(), Note::read(b""));
        window.write_note(&Note::default()).unwrap();
        assert_eq!(window.note(), Note::default());
        // SAFETY: it is ours.
        unsafe { DestroyWindow(window.0) };
    }
}
