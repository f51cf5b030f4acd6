//! The windows on the screen, as the window server lists them.

use std::ffi::c_void;

use core_foundation::{
    base::{CFType, FromVoid as _, TCFType as _},
    dictionary::CFDictionary,
    number::CFNumber,
    string::{CFString, CFStringRef},
};
use core_graphics::{
    display::CGDisplay,
    geometry::{CGPoint, CGRect},
    window::{
        copy_window_info, kCGNullWindowID, kCGWindowBounds, kCGWindowLayer, kCGWindowListExcludeDesktopElements,
        kCGWindowListOptionOnScreenOnly, kCGWindowName, kCGWindowNumber, kCGWindowOwnerName, kCGWindowOwnerPID,
    },
};

use crate::desktop::{Refusal, WindowIdentity};

/// The layer of ordinary windows; menus, docks and the like lie above.
const ORDINARY: i32 = 0;

/// One window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) number: i32,
    pub(super) pid: i32,
    bounds: CGRect,
    program: String,
    /// Told only to programs that may record the screen.
    title: Option<String>,
}

impl Window {
    /// The ordinary windows on the screen, the foremost first.
    fn all() -> Vec<Self> {
        let option = kCGWindowListOptionOnScreenOnly | kCGWindowListExcludeDesktopElements;
        let Some(list) = copy_window_info(option, kCGNullWindowID) else { return Vec::new() };
        let read = |entry: *const c_void| {
            // SAFETY: the list holds dictionaries with text keys, and is alive.
            let entry = unsafe { CFDictionary::<CFString, CFType>::from_void(entry) };
            Self::read(&entry)
        };
        list.get_all_values().into_iter().filter_map(read).collect()
    }

    fn read(entry: &CFDictionary<CFString, CFType>) -> Option<Self> {
        let value = |key: CFStringRef| {
            // SAFETY: a constant text of the system, never released.
            let key = unsafe { CFString::wrap_under_get_rule(key) };
            entry.find(&key).map(|value| (*value).clone())
        };
        let number = |key| value(key)?.downcast::<CFNumber>()?.to_i32();
        let text = |key| Some(value(key)?.downcast::<CFString>()?.to_string());
        // SAFETY: reads constants of the system.
        let (layer, number_of, pid, bounds, program, title) = unsafe {
            (kCGWindowLayer, kCGWindowNumber, kCGWindowOwnerPID, kCGWindowBounds, kCGWindowOwnerName, kCGWindowName)
        };
        if number(layer)? != ORDINARY {
            return None;
        }
        let bounds = value(bounds)?.downcast::<CFDictionary>()?;
        Some(Self {
            number: number(number_of)?,
            pid: number(pid)?,
            bounds: CGRect::from_dict_representation(&bounds)?,
            program: printable(&text(program).unwrap_or_default()),
            title: text(title).map(|title| printable(&title)),
        })
    }

    /// The foremost ordinary window at a point.
    pub(super) fn at((x, y): (i32, i32)) -> Option<Self> {
        let point = CGPoint::new(x.into(), y.into());
        Self::all().into_iter().find(|window| window.bounds.contains(&point))
    }

    /// The same window now, if it is still on the screen.
    pub(super) fn again(number: i32) -> Option<Self> {
        Self::all().into_iter().find(|window| window.number == number)
    }

    /// The one window that fits: the class is the program's name.
    pub(super) fn find(identity: &WindowIdentity) -> Result<Self, Refusal> {
        let fits = |window: &Self| {
            identity.class.as_ref().is_none_or(|class| window.program == *class)
                && identity.title.as_ref().is_none_or(|title| window.title.as_ref() == Some(title))
                && identity.pid.is_none_or(|pid| i32::try_from(pid) == Ok(window.pid))
        };
        let mut fitting: Vec<Self> = Self::all().into_iter().filter(fits).collect();
        match (fitting.pop(), fitting.len()) {
            (Some(window), 0) => Ok(window),
            (Some(_), more) => Err(Refusal::Ambiguous(more + 1)),
            (None, _) => Err(Refusal::TargetGone(format!("no window on the screen fits {identity:?}"))),
        }
    }

    /// Where `offset`, or the middle, of the window lies on the desktop.
    pub(super) fn point(&self, offset: Option<(i32, i32)>) -> Result<(i32, i32), Refusal> {
        let (left, top) = (self.bounds.origin.x as i32, self.bounds.origin.y as i32);
        let (width, height) = (self.bounds.size.width as i32, self.bounds.size.height as i32);
        let (x, y) = offset.unwrap_or((width / 2, height / 2));
        match (0..width).contains(&x) && (0..height).contains(&y) {
            true => Ok((left + x, top + y)),
            false => {
                let why = format!("the point ({x}, {y}) lies outside its window of {width}x{height}");
                Err(Refusal::TargetGone(why))
            }
        }
    }

    /// `title (program, pid N)`.
    pub(super) fn describe(&self) -> String {
        let Self { program, pid, .. } = self;
        match &self.title {
            Some(title) => format!("{title} ({program}, pid {pid})"),
            None => format!("a window of {program} (pid {pid})"),
        }
    }
}

/// Refuses a point on no monitor. Their coordinates begin at the upper left corner of the main one.
pub(super) fn refuse_outside((x, y): (i32, i32)) -> Result<(), Refusal> {
    let point = CGPoint::new(x.into(), y.into());
    let screens = CGDisplay::active_displays().unwrap_or_default();
    let screens: Vec<CGRect> = screens.into_iter().map(|id| CGDisplay::new(id).bounds()).collect();
    if screens.iter().any(|screen| screen.contains(&point)) {
        return Ok(());
    }
    let shown = |of: &CGRect| format!("{}x{}{:+}{:+}", of.size.width, of.size.height, of.origin.x, of.origin.y);
    let screens = screens.iter().map(shown).collect::<Vec<_>>().join(", ");
    Err(Refusal::OutsideScreens { x, y, screens })
}

/// Titles are any program's to choose and end on terminals and in logs: no escape sequences.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
