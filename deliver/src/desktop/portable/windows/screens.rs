//! Monitors and coordinates.
//!
//! Desktop coordinates are those of Windows itself: their origin is the upper left corner of the primary monitor, and
//! monitors left of it or above have negative ones. `SendInput` wants them as parts of 65536 of the whole virtual desktop;
//! enigo's are of the primary monitor alone.

use std::time::Duration;

use lock_core::Moment;
use windows_sys::Win32::{
    Foundation::POINT,
    Graphics::Gdi::{MONITOR_DEFAULTTONULL, MonitorFromPoint},
    UI::{
        HiDpi::{DPI_AWARENESS_CONTEXT, DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2, SetThreadDpiAwarenessContext},
        WindowsAndMessaging::{
            GetCursorPos, GetSystemMetrics, SM_CXVIRTUALSCREEN, SM_CYVIRTUALSCREEN, SM_XVIRTUALSCREEN,
            SM_YVIRTUALSCREEN,
        },
    },
};

use crate::desktop::Refusal;

/// How long the pointer may take to get where it was sent.
const ARRIVES_WITHIN: Duration = Duration::from_millis(50);

/// The rectangle around all monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VirtualDesktop {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl VirtualDesktop {
    pub(super) fn now() -> Self {
        // SAFETY: takes a number, and gives one.
        let metric = |index| unsafe { GetSystemMetrics(index) };
        Self {
            x: metric(SM_XVIRTUALSCREEN),
            y: metric(SM_YVIRTUALSCREEN),
            width: metric(SM_CXVIRTUALSCREEN).max(1),
            height: metric(SM_CYVIRTUALSCREEN).max(1),
        }
    }

    /// Refuses a point on no monitor.
    pub(super) fn refuse_outside(self, (x, y): (i32, i32)) -> Result<(), Refusal> {
        // SAFETY: takes a point and a number.
        let monitor = unsafe { MonitorFromPoint(POINT { x, y }, MONITOR_DEFAULTTONULL) };
        match monitor.is_null() {
            true => Err(Refusal::OutsideScreens { x, y, screens: self.to_string() }),
            false => Ok(()),
        }
    }

    /// A point as `SendInput` wants it. Windows rounds down, so this rounds up: the pointer comes to the very pixel.
    pub(super) fn absolute(self, (x, y): (i32, i32)) -> (i32, i32) {
        (part(x, self.x, self.width), part(y, self.y, self.height))
    }
}

fn part(at: i32, from: i32, size: i32) -> i32 {
    let (offset, size) = (i64::from(at) - i64::from(from), i64::from(size));
    let part = (offset * 65536 + size - 1).div_euclid(size);
    i32::try_from(part.clamp(0, 65535)).unwrap_or(65535)
}

impl std::fmt::Display for VirtualDesktop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}{:+}{:+}", self.width, self.height, self.x, self.y)
    }
}

/// Where the pointer is.
pub(super) fn pointer() -> Option<(i32, i32)> {
    let mut point = POINT { x: 0, y: 0 };
    // SAFETY: the point outlives the call.
    (unsafe { GetCursorPos(&raw mut point) } != 0).then_some((point.x, point.y))
}

/// While it lives, this thread is told real pixels on every monitor, whatever its scale.
#[derive(Debug)]
pub(super) struct RealPixels(DPI_AWARENESS_CONTEXT);

impl RealPixels {
    pub(super) fn on_this_thread() -> Self {
        // SAFETY: a constant of Windows; null comes back where it is not known, and is not set again.
        Self(unsafe { SetThreadDpiAwarenessContext(DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2) })
    }
}

impl Drop for RealPixels {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: what was in force before.
            unsafe { SetThreadDpiAwarenessContext(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_of_several_monitors_is_hit() {
        let desks = [
            VirtualDesktop { x: 0, y: 0, width: 1920, height: 1080 },
            VirtualDesktop { x: -1920, y: -300, width: 5760, height: 1500 },
            VirtualDesktop { x: -3841, y: 0, width: 7683, height: 2161 },
        ];
        for desk in desks {
            for x in desk.x..desk.x + desk.width {
                let (part, _) = desk.absolute((x, desk.y));
                // As Windows makes a pixel of it.
                let pixel = desk.x + ((i64::from(part) * i64::from(desk.width)) >> 16) as i32;
                assert_eq!(pixel, x, "{desk}");
            }
        }
    }
}

/// Whether the pointer comes to a point: input takes effect a little after it was sent.
pub(super) fn arrived(point: (i32, i32)) -> bool {
    let until = Moment::now() + ARRIVES_WITHIN;
    loop {
        match pointer() == Some(point) {
            true => return true,
            false if until.is_past() => return false,
            false => std::thread::yield_now(),
        }
    }
}
