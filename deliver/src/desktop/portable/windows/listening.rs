//! Who uses the input devices: hooks on the attendant's thread, which tell our own events from all others.

use std::{cell::RefCell, io, ptr::null, ptr::null_mut};

use enigo::EVENT_MARKER;
use lock_core::Moment;
use windows_sys::Win32::{
    Foundation::{LPARAM, LRESULT, WPARAM},
    System::LibraryLoader::GetModuleHandleW,
    UI::WindowsAndMessaging::{
        CallNextHookEx, HC_ACTION, HHOOK, KBDLLHOOKSTRUCT, LLKHF_INJECTED, LLMHF_INJECTED, MSLLHOOKSTRUCT,
        SetWindowsHookExW, UnhookWindowsHookEx, WH_KEYBOARD_LL, WH_MOUSE_LL, WM_MOUSEMOVE,
    },
};

use super::{attendant::here, screens};

thread_local! {
    /// The hooks of the keyboard and the mouse, while it is listened.
    static HOOKS: RefCell<Vec<HHOOK>> = const { RefCell::new(Vec::new()) };
}

/// From now on, or no longer: on the thread of the attendant's window. Returns 0, or the error's number.
pub(super) fn listen(on: bool) -> LRESULT {
    for hook in HOOKS.take() {
        // SAFETY: set by this thread, and taken off once.
        unsafe { UnhookWindowsHookEx(hook) };
    }
    for (kind, listener) in
        [(WH_KEYBOARD_LL, keyboard as HookListener), (WH_MOUSE_LL, mouse)].into_iter().filter(|_| on)
    {
        // SAFETY: the listener is a function of this program, which stays; null names this program.
        let hook = unsafe { SetWindowsHookExW(kind, Some(listener), GetModuleHandleW(null()), 0) };
        if hook.is_null() {
            let code = io::Error::last_os_error().raw_os_error();
            listen(false);
            return code.and_then(|code| LRESULT::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
        }
        HOOKS.with_borrow_mut(|hooks| hooks.push(hook));
    }
    0
}

type HookListener = unsafe extern "system" fn(i32, WPARAM, LPARAM) -> LRESULT;

unsafe extern "system" fn keyboard(code: i32, wide: WPARAM, long: LPARAM) -> LRESULT {
    if u32::try_from(code) == Ok(HC_ACTION) {
        // SAFETY: Windows gives a pointer to this structure with that code.
        let event = unsafe { &*(long as *const KBDLLHOOKSTRUCT) };
        let device = if event.flags & LLKHF_INJECTED == 0 { "the keyboard" } else { "synthetic keys" };
        note_input(event.dwExtraInfo, device);
    }
    // SAFETY: hands on what Windows has sent, unchanged.
    unsafe { CallNextHookEx(null_mut(), code, wide, long) }
}

unsafe extern "system" fn mouse(code: i32, wide: WPARAM, long: LPARAM) -> LRESULT {
    if u32::try_from(code) == Ok(HC_ACTION) {
        // SAFETY: as above.
        let event = unsafe { &*(long as *const MSLLHOOKSTRUCT) };
        let device = if event.flags & LLMHF_INJECTED == 0 { "the mouse" } else { "a synthetic mouse" };
        // The system repeats where the pointer is, when windows change under it and after a move of ours.
        let repeats = wide == WM_MOUSEMOVE as WPARAM && screens::pointer() == Some((event.pt.x, event.pt.y));
        if !repeats {
            note_input(event.dwExtraInfo, device);
        }
    }
    // SAFETY: as above.
    unsafe { CallNextHookEx(null_mut(), code, wide, long) }
}

/// Our own events carry enigo's mark.
fn note_input(mark: usize, device: &'static str) {
    if mark != EVENT_MARKER as usize {
        here(|heard| heard.other_input = Some((Moment::now(), device)));
    }
}
