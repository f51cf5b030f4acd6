//! When the input devices were last used, and whether that was this program.
//!
//! Windows keeps the time of the last input and not whose it was. So this program remembers what that time was after its own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use windows_sys::Win32::{
    System::SystemInformation::GetTickCount,
    UI::Input::KeyboardAndMouse::{GetLastInputInfo, LASTINPUTINFO},
};

/// The time of the last input when it was ours, in the ticks of Windows; beyond them: never.
static OURS: AtomicU64 = AtomicU64::new(u64::MAX);

fn last_input() -> Option<u32> {
    let mut info = LASTINPUTINFO { cbSize: size_of::<LASTINPUTINFO>() as u32, dwTime: 0 };
    // SAFETY: the structure says its size and outlives the call.
    (unsafe { GetLastInputInfo(&raw mut info) } != 0).then_some(info.dwTime)
}

/// How long ago the last input was.
pub(super) fn last_input_ago() -> Option<Duration> {
    // SAFETY: takes nothing.
    let now = unsafe { GetTickCount() };
    // The ticks begin anew after 49 days.
    Some(Duration::from_millis(now.wrapping_sub(last_input()?).into()))
}

/// Notes that the last input was ours. To be called when none but ours was heard.
pub(super) fn note_ours() {
    if let Some(last) = last_input() {
        OURS.store(last.into(), Ordering::Relaxed);
    }
}

/// Whether the last input was ours.
pub(super) fn was_ours() -> bool {
    last_input().is_some_and(|last| u64::from(last) == OURS.load(Ordering::Relaxed))
}
