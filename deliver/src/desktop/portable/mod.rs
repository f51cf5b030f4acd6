//! The portable driver: enigo's hands, the system's clipboard, and as much looking as the system allows.
//!
//! Only the verified X11 driver makes a check and the act that relies on it one. Here the driver looks, acts, and looks
//! again: a window that comes up in the instant between can still get a key. That cannot be prevented, but where it is seen or
//! cannot be ruled out, `submitted` is not claimed.
//!
//! | | X11 | Windows | macOS |
//! |---|---|---|---|
//! | target | windows under the point, their client | window under the point, its process and that one's start | window under the point, its process |
//! | focus | focus on the windows under the pointer | foreground window, and the focus within its process | focused application |
//! | between look and look | the server's log of focus, crossings and grabs: nothing is missed | the log of foreground changes, 50 ms before and after | nothing |
//! | chord | key by key | one `SendInput`: no other key in between | one event with its modifiers |
//! | clipboard | the keeper's: its owner | a promise: its owner | the system's: change count |
//! | fetch by the target | each is seen, and whose | the first is seen, and whose where the reader names a window | not seen |
//! | `submitted` is claimed | when all of this was seen | when all of this was seen | never |
//!
//! Where the target's fetch is not seen, Enter has this rule: the paste was seen to go to the target; on Windows somebody has
//! read the text; the profile's settle time has passed, and no less than 250 ms; then focus and clipboard are still as they
//! were. The outcome is `uncertain` (`fetch_not_observed`). After any paste outside X11 the text stays on the clipboard, for the
//! target may still read it.
//!
//! On X11 the clipboard is the keeper's and not arboard's: an owner that ends with its sender hangs some targets for good.
//!
//! What is seen nowhere: which of several text fields of one window has the focus, and on X11 a key that somebody else
//! presses between those of a chord.

#[cfg(any(windows, target_os = "macos"))]
mod finding;
mod hands;
#[cfg(target_os = "macos")]
mod macos;
mod system;
#[cfg(windows)]
mod windows;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

use std::{fmt, time::Duration};

#[cfg(any(windows, target_os = "macos"))]
pub use finding::{Finding, findings};

use lock_core::{Moment, Permit};

#[cfg(target_os = "macos")]
use self::macos::MacOs as Native;
use self::system::System;
#[cfg(windows)]
use self::windows::Windows as Native;
#[cfg(all(unix, not(target_os = "macos")))]
use self::x11::X11 as Native;
use super::{Bound, Chord, Desktop, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent};
use crate::MessageId;

/// What this driver proves on this system, in a line for people.
pub const PROVES: &str = if cfg!(target_os = "macos") {
    "focus is looked at before and after each act; who reads the clipboard is not seen, so that every Enter is `uncertain`"
} else if cfg!(windows) {
    "foreground changes and the first reader of the clipboard are seen; what led elsewhere, or was not seen, is `uncertain`"
} else {
    "what led keys elsewhere is seen, but not prevented, and is `uncertain`"
};

/// This system's desktop, driven by looking before and after each act.
pub struct PortableDesktop {
    system: Native,
}

impl PortableDesktop {
    /// Connects to a display (`None`: the one that DISPLAY names) and to its clipboard keeper, started by `keeper` where
    /// there is none. To be called before the lock is taken.
    ///
    /// # Errors
    /// [`Refusal::NoDisplay`] says what is missing, [`Refusal::Wayland`] that it is XWayland.
    #[cfg(all(unix, not(target_os = "macos")))]
    pub fn connect(
        xwayland: super::x11::XWayland,
        display: Option<&str>,
        keeper: &super::x11::keeper::KeeperCommand,
    ) -> Result<Self, Refusal> {
        Ok(Self { system: Native::connect(xwayland, display, keeper)? })
    }

    /// Connects to the desktop of this session. To be called before the lock is taken.
    ///
    /// # Errors
    /// [`Refusal::NoDisplay`] says what is missing.
    #[cfg(any(windows, target_os = "macos"))]
    pub fn connect() -> Result<Self, Refusal> {
        Ok(Self { system: Native::connect()? })
    }
}

/// How long a target gets to read the clipboard where that is not seen in full. Slow readers took up to 150 ms elsewhere.
#[cfg(any(windows, target_os = "macos"))]
const UNSEEN_FETCH_SETTLE: std::time::Duration = std::time::Duration::from_millis(250);

impl PortableDesktop {
    fn may_press(
        &mut self,
        permit: &Permit<'_>,
        target: &Bound,
        chord: &Chord,
    ) -> Result<<Native as System>::Strokes, Refusal> {
        let strokes = self.system.may_press(target, chord)?;
        still_permitted(permit)?;
        Ok(strokes)
    }

    fn press(&mut self, target: &Bound, strokes: &<Native as System>::Strokes) -> Result<(), Refusal> {
        self.system.press(strokes)?;
        self.system.reached(target).map_err(|refusal| match refusal {
            broken @ Refusal::Disconnected { .. } => broken,
            seen => Refusal::PressNotSeen { why: seen.to_string() },
        })
    }
}

impl fmt::Debug for PortableDesktop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortableDesktop")
    }
}

impl Desktop for PortableDesktop {
    fn sight(&self) -> Sight {
        self.system.sight()
    }

    fn watch(&mut self, permit: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        self.system.watch(permit, idle)
    }

    fn unwatch(&mut self) {
        self.system.unwatch();
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        self.system.still_hindered(hindrance, target, idle)
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        self.system.await_change(until)
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        self.system.bind(place)
    }

    fn sweep(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        still_permitted(permit)?;
        self.system.take_up(permit)
    }

    fn click(&mut self, permit: &Permit<'_>, target: &Bound) -> Result<(), Refusal> {
        self.system.lies_open(target)?;
        still_permitted(permit)?;
        self.system.move_pointer(target)?;
        self.system.pointer_is_on(target)?;
        still_permitted(permit)?;
        self.system.click()
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        self.system.await_focus(target, until)
    }

    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal> {
        still_permitted(permit)?;
        self.system.offer(permit, text, selection)
    }

    fn paste(
        &mut self,
        permit: &Permit<'_>,
        target: &Bound,
        chord: &Chord,
        id: &MessageId,
    ) -> Result<Option<Unsent>, Refusal> {
        let unsent = self.system.note_paste(target, id)?;
        let strokes = self.may_press(permit, target, chord);
        if strokes.is_err() {
            self.system.note_nothing(target);
        }
        self.press(target, &strokes?)?;
        self.system.note_arrived();
        Ok(unsent)
    }

    fn submit(&mut self, permit: &Permit<'_>, target: &Bound, chord: &Chord, seen: bool) -> Result<(), Refusal> {
        let strokes = self.may_press(permit, target, chord)?;
        self.press(target, &strokes)?;
        if seen {
            self.system.note_enter(target);
        }
        Ok(())
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        self.system.await_fetched(target, rule, until)
    }

    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal> {
        self.system.restore(permit)
    }
}

/// Asked right before each act: the lease may have ended since the step began.
fn still_permitted(permit: &Permit<'_>) -> Result<(), Refusal> {
    permit.check().map_err(|lost| Refusal::LeaseLost(lost.to_string()))
}
