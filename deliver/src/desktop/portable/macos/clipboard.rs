//! The pasteboard: whether our text is on it still, and what was on it before. Who reads it is told to nobody.

use arboard::Clipboard;
use objc2_app_kit::NSPasteboard;

use super::MacOs;
use crate::desktop::Refusal;

impl MacOs {
    pub(super) fn refuse_taken(&self) -> Result<(), Refusal> {
        match self.count.is_none_or(|count| count == change_count()) {
            true => Ok(()),
            false => Err(Refusal::ClipboardTaken { by: "another program: macOS does not say which".into() }),
        }
    }

    /// Puts a text there, and notes what it takes the place of.
    pub(super) fn put(&mut self, text: &str) -> Result<(), Refusal> {
        let taken = |error: arboard::Error| Refusal::ClipboardTaken { by: format!("nobody: it fails ({error})") };
        let mut clipboard = Clipboard::new().map_err(taken)?;
        self.former = clipboard.get_text().ok().filter(|_| holds_only_text());
        clipboard.set_text(text).map_err(taken)?;
        let count = change_count();
        // Read back, so that a program that wrote just then is not taken for us.
        if clipboard.get_text().map_err(taken)? != text || change_count() != count {
            return Err(Refusal::ClipboardTaken { by: "another program: macOS does not say which".into() });
        }
        self.count = Some(count);
        Ok(())
    }

    /// Gives back what was on it, where nothing was pasted: what was may still be read. What is somebody else's now stays.
    pub(super) fn give_clipboard_back(&mut self) -> Result<(), Refusal> {
        let ours = self.count.take().is_some_and(|count| count == change_count());
        let Some(former) = self.former.take().filter(|_| ours && !self.pasted) else { return Ok(()) };
        let set = Clipboard::new().and_then(|mut clipboard| clipboard.set_text(former));
        set.map_err(|error| Refusal::ClipboardTaken { by: format!("nobody: it fails ({error})") })
    }
}

fn change_count() -> isize {
    // SAFETY: the general pasteboard may be asked from any thread.
    #[allow(unused_unsafe, reason = "later versions of the bindings call it safe")]
    unsafe {
        NSPasteboard::generalPasteboard().changeCount()
    }
}

/// Whether nothing else would be lost with the text.
fn holds_only_text() -> bool {
    let is_text = |kind: &str| kind.contains("plain-text") || kind == "NSStringPboardType";
    // SAFETY: as above.
    #[allow(unused_unsafe, reason = "later versions of the bindings call it safe")]
    let types = unsafe { NSPasteboard::generalPasteboard().types() };
    types.is_some_and(|types| types.iter().all(|kind| is_text(&kind.to_string())))
}
