//! The clipboard's promise: Windows asks for the text only when somebody reads it, and that is how a read is seen.
//!
//! Only the first read is seen: from then on Windows has the text itself. So the promise is made anew right before the paste,
//! with the marks by which clipboard histories and clouds leave it alone.

use std::ptr::{copy_nonoverlapping, null_mut};

use lock_core::Moment;
use windows_sys::Win32::{
    Foundation::{GetLastError, GlobalFree, HWND, LRESULT},
    System::{
        DataExchange::{
            CloseClipboard, EmptyClipboard, GetClipboardOwner, GetOpenClipboardWindow, OpenClipboard,
            RegisterClipboardFormatW, SetClipboardData,
        },
        Memory::{GMEM_MOVEABLE, GlobalAlloc, GlobalLock, GlobalUnlock},
        Ole::CF_UNICODETEXT,
    },
    UI::WindowsAndMessaging::GetWindowThreadProcessId,
};

/// Text in UTF-16.
const TEXT: u32 = CF_UNICODETEXT as u32;
/// Formats whose presence, or whose value 0, keeps the text out of histories and clouds.
const PRIVATE: [&str; 3] =
    ["ExcludeClipboardContentFromMonitorProcessing", "CanIncludeInClipboardHistory", "CanUploadToCloudClipboard"];

/// Somebody who asked for the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    /// The process whose window has opened the clipboard; `None` where it was opened without one.
    pub(super) pid: Option<u32>,
    pub(super) at: Moment,
}

impl Reader {
    /// Who has the clipboard open now, which Windows asks for.
    pub(super) fn now() -> Self {
        // SAFETY: takes nothing, and gives a window or null.
        let window = unsafe { GetOpenClipboardWindow() };
        let mut pid = 0;
        if !window.is_null() {
            // SAFETY: `pid` outlives the call; a window that is gone leaves it 0.
            unsafe { GetWindowThreadProcessId(window, &raw mut pid) };
        }
        Self { pid: (pid != 0).then_some(pid), at: Moment::now() }
    }
}

/// Makes the promise; returns 0, or the error's number. On the thread of `owner`.
pub(super) fn make(owner: HWND) -> LRESULT {
    // SAFETY: `owner` is a window of this thread. Closed below on every way out.
    if unsafe { OpenClipboard(owner) } == 0 {
        return failure();
    }
    // SAFETY: the clipboard is open by this thread.
    let made = unsafe { EmptyClipboard() } != 0 && {
        // SAFETY: as above; null is the promise to give the data when asked. It returns null too, which is no failure.
        unsafe { SetClipboardData(TEXT, null_mut()) };
        for name in PRIVATE {
            mark(name);
        }
        // SAFETY: takes nothing.
        unsafe { GetClipboardOwner() == owner }
    };
    let error = if made { 0 } else { failure() };
    // SAFETY: it was opened by this thread.
    unsafe { CloseClipboard() };
    error
}

fn failure() -> LRESULT {
    // SAFETY: takes nothing.
    let code = unsafe { GetLastError() };
    // 0 would mean that it was done.
    LRESULT::try_from(code.max(1)).unwrap_or(1)
}

fn mark(name: &str) {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with 0 and outlives the call.
    let format = unsafe { RegisterClipboardFormatW(wide.as_ptr()) };
    if format != 0 {
        set(format, &0_u32.to_le_bytes());
    }
}

/// Gives the promised text, while a reader has the clipboard open.
pub(super) fn keep(text: &[u16]) {
    let bytes: Vec<u8> = text.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect();
    set(TEXT, &bytes);
}

/// Leaves the text on the clipboard as its owner ends.
pub(super) fn keep_for_good(owner: HWND, text: &[u16]) {
    // SAFETY: `owner` is a window of this thread.
    if unsafe { OpenClipboard(owner) } == 0 {
        tracing::warn!("the clipboard cannot be opened; the text goes with its sender");
        return;
    }
    // SAFETY: takes nothing.
    if unsafe { GetClipboardOwner() } == owner {
        keep(text);
    }
    // SAFETY: it was opened by this thread.
    unsafe { CloseClipboard() };
}

/// Puts bytes on the open clipboard.
fn set(format: u32, bytes: &[u8]) {
    // SAFETY: memory of that size, freed below unless the clipboard takes it.
    let memory = unsafe { GlobalAlloc(GMEM_MOVEABLE, bytes.len()) };
    if memory.is_null() {
        tracing::error!(bytes = bytes.len(), "no memory for the clipboard");
        return;
    }
    // SAFETY: allocated just now.
    let start = unsafe { GlobalLock(memory) };
    if !start.is_null() {
        // SAFETY: both are of that length, and apart.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len()) };
        // SAFETY: locked just now.
        unsafe { GlobalUnlock(memory) };
    }
    // SAFETY: the clipboard is open, and takes the memory over where it returns no null.
    if start.is_null() || unsafe { SetClipboardData(format, memory) }.is_null() {
        tracing::error!(format, "the clipboard does not take the data");
        // SAFETY: still ours.
        unsafe { GlobalFree(memory) };
    }
}
