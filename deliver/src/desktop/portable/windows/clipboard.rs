//! The clipboard: whether it still is ours, who has read it, and what was on it before.

use arboard::{Clipboard, SetExtWindows as _};
use lock_core::Moment;
use windows_sys::Win32::System::DataExchange::{
    CloseClipboard, EnumClipboardFormats, GetClipboardOwner, OpenClipboard,
};

use super::{Windows, promise::Reader, window::Window};
use crate::desktop::{Fetched, Refusal};

impl Windows {
    pub(super) fn refuse_taken(&self) -> Result<(), Refusal> {
        // SAFETY: takes nothing, and gives a window or null.
        let owner = unsafe { GetClipboardOwner() };
        if !self.offered || (self.attendant.owns(owner) && !self.attendant.heard().replaced) {
            return Ok(());
        }
        let by = if owner.is_null() { "a program without a window".into() } else { Window(owner).describe() };
        Err(Refusal::ClipboardTaken { by })
    }

    pub(super) fn offer_again(&self) -> Result<(), Refusal> {
        let text = self.attendant.heard().text.clone();
        self.promise(text)
    }

    pub(super) fn promise(&self, text: Vec<u16>) -> Result<(), Refusal> {
        self.attendant.promise(text).map_err(|error| Refusal::ClipboardTaken { by: format!("somebody ({error})") })
    }

    /// Gives back what was on it, where nothing was pasted: what was may still be read. What is somebody else's now stays.
    pub(super) fn give_clipboard_back(&mut self) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.offered) || self.pasted_at.is_some() || self.refuse_taken().is_err() {
            return Ok(());
        }
        let Some(former) = self.former.take() else { return Ok(()) };
        let set = Clipboard::new().and_then(|mut clipboard| clipboard.set().exclude_from_history().text(former));
        set.map_err(|error| Refusal::ClipboardTaken { by: format!("somebody ({error})") })
    }
}

/// What the readers since the paste say.
pub(super) fn fetched(readers: &[Reader], pasted_at: Option<Moment>, pid: u64) -> Fetched {
    let mut fetched = Fetched::default();
    for reader in readers {
        let for_this_paste = pasted_at.is_some_and(|pasted_at| reader.at >= pasted_at);
        match for_this_paste && reader.pid.map(u64::from) == Some(pid) {
            true => fetched.by_target += 1,
            false => fetched.by_others += 1,
        }
    }
    fetched
}

/// The clipboard's text, where it holds nothing else that would be lost.
pub(super) fn only_text() -> Option<String> {
    /// CF_TEXT, CF_OEMTEXT, CF_UNICODETEXT, CF_LOCALE: forms of one text.
    const TEXTS: [u32; 4] = [1, 7, 13, 16];
    // SAFETY: without a window; closed below.
    if unsafe { OpenClipboard(std::ptr::null_mut()) } == 0 {
        return None;
    }
    let mut format = 0;
    let plain = loop {
        // SAFETY: the clipboard is open; 0 begins and ends the list.
        format = unsafe { EnumClipboardFormats(format) };
        match format {
            0 => break true,
            of if TEXTS.contains(&of) => {}
            _ => break false,
        }
    };
    // SAFETY: opened above.
    unsafe { CloseClipboard() };
    plain.then(|| Clipboard::new().ok()?.get_text().ok()).flatten()
}
