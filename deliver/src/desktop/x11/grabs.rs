//! Whether another client has taken the keyboard or the pointer for itself, or would take the chord.

use x11rb::{
    cookie::{Cookie, VoidCookie},
    errors::ReplyError,
    protocol::{
        ErrorKind,
        xproto::{
            ConnectionExt as _, EventMask, GrabKeyboardReply, GrabMode, GrabPointerReply, GrabStatus, ModMask, Window,
        },
    },
};

use super::{
    connection::{Display, During as _, X},
    keyboard::KeyStroke,
};
use crate::desktop::Refusal;

const DOING: &str = "asking for other programs' grabs";

/// Questions on their way about active grabs.
pub(super) struct ActiveGrabs<'d> {
    keyboard: Cookie<'d, X, GrabKeyboardReply>,
    pointer: Cookie<'d, X, GrabPointerReply>,
}

/// Questions on their way about hotkeys.
pub(super) struct Hotkeys<'d> {
    asked: Vec<VoidCookie<'d, X>>,
}

impl Display {
    /// Asks whether another client holds the keyboard or the pointer, without a trace.
    ///
    /// A grab of a window that is not on the screen is always refused. The server first looks whether somebody else has
    /// the device, so the reason of the refusal is the answer. A grab that succeeded would send focus events to the
    /// target.
    pub(super) fn ask_for_grabs(&self, unseen: Window) -> Result<ActiveGrabs<'_>, Refusal> {
        let mode = GrabMode::ASYNC;
        let keyboard = self.x.grab_keyboard(false, unseen, x11rb::CURRENT_TIME, mode, mode).during(DOING)?;
        let (events, now) = (EventMask::NO_EVENT, x11rb::CURRENT_TIME);
        // Confined to the unseen window as well: else the server would let a confined pointer of a grabber loose.
        let pointer = self.x.grab_pointer(false, unseen, events, mode, mode, unseen, x11rb::NONE, now).during(DOING)?;
        Ok(ActiveGrabs { keyboard, pointer })
    }

    /// Asks whether another client has a hotkey on any stroke: it would take the key away from the target.
    ///
    /// Only one client can have a key combination of a window, so trying to take it tells. Taken back at once, all under
    /// the server grab. Hotkeys of the target itself do not count. Those of the newer input extension are not seen.
    pub(super) fn ask_for_hotkeys(&self, chain: &[Window], strokes: &[KeyStroke]) -> Result<Hotkeys<'_>, Refusal> {
        let own = chain.last().map(|window| self.client_of(*window));
        let mut asked = Vec::new();
        for window in chain.iter().filter(|window| Some(self.client_of(**window)) != own) {
            for stroke in strokes.iter().filter(|stroke| stroke.down) {
                let (modifiers, mode) = (ModMask::from(stroke.modifiers), GrabMode::ASYNC);
                asked.push(self.x.grab_key(false, *window, modifiers, stroke.key, mode, mode).during(DOING)?);
                self.x.ungrab_key(stroke.key, *window, modifiers).during(DOING)?;
            }
        }
        Ok(Hotkeys { asked })
    }
}

impl ActiveGrabs<'_> {
    pub(super) fn refuse(self) -> Result<(), Refusal> {
        let keyboard = self.keyboard.reply().during(DOING)?.status;
        let pointer = self.pointer.reply().during(DOING)?.status;
        match (keyboard, pointer) {
            (GrabStatus::NOT_VIEWABLE, GrabStatus::NOT_VIEWABLE) => Ok(()),
            (GrabStatus::NOT_VIEWABLE, _) => Err(Refusal::Grabbed { device: "pointer" }),
            _ => Err(Refusal::Grabbed { device: "keyboard" }),
        }
    }
}

impl Hotkeys<'_> {
    /// To be called after a later answer was read: then this waits for nothing.
    pub(super) fn refuse(self) -> Result<(), Refusal> {
        for cookie in self.asked {
            match cookie.check() {
                Err(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Access => {
                    return Err(Refusal::Grabbed { device: "chord's keys" });
                }
                // Of a window that has just gone; the chain's own check tells.
                Ok(()) | Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(error).during(DOING),
            }
        }
        Ok(())
    }
}
