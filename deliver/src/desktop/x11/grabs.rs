//! Whether another client has taken the keyboard or the pointer for itself, would take the chord, or has taken it.

use x11rb::{
    cookie::{Cookie, VoidCookie},
    errors::ReplyError,
    protocol::{
        ErrorKind,
        xinput::{ConnectionExt as _, Device, GrabMode22, GrabOwner, GrabType, XIPassiveGrabDeviceReply},
        xproto::{
            ConnectionExt as _, EventMask, GrabKeyboardReply, GrabMode, GrabPointerReply, GrabStatus, Keycode, ModMask,
            QueryKeymapReply, Window,
        },
    },
};

use super::{
    connection::{Display, During as _, X},
    keyboard::KeyStroke,
};
use crate::desktop::Refusal;

const DOING: &str = "asking for other programs' grabs";
/// What a refusal calls a hotkey.
const HOTKEY: &str = "chord's keys";

/// Questions on their way about active grabs.
pub(super) struct ActiveGrabs<'d> {
    keyboard: Cookie<'d, X, GrabKeyboardReply>,
    pointer: Cookie<'d, X, GrabPointerReply>,
}

/// Questions on their way about hotkeys.
pub(super) struct Hotkeys<'d> {
    core: Vec<VoidCookie<'d, X>>,
    xinput: Vec<Cookie<'d, X, XIPassiveGrabDeviceReply>>,
}

/// Questions on their way about a key that was just pressed.
pub(super) struct Went<'d> {
    key: Keycode,
    keyboard: Cookie<'d, X, GrabKeyboardReply>,
    keys: Cookie<'d, X, QueryKeymapReply>,
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
    /// the server grab. Hotkeys of the target itself do not count, nor those of programs that let the key through.
    pub(super) fn ask_for_hotkeys(&self, chain: &[Window], strokes: &[KeyStroke]) -> Result<Hotkeys<'_>, Refusal> {
        let own = chain.last().map(|window| self.client_of(*window));
        let (mut core, mut xinput) = (Vec::new(), Vec::new());
        for window in chain.iter().filter(|window| Some(self.client_of(**window)) != own) {
            for stroke in strokes.iter().filter(|stroke| stroke.down) {
                let (modifiers, mode) = (ModMask::from(stroke.modifiers), GrabMode::ASYNC);
                core.push(self.x.grab_key(false, *window, modifiers, stroke.key, mode, mode).during(DOING)?);
                self.x.ungrab_key(stroke.key, *window, modifiers).during(DOING)?;
                xinput.push(self.ask_for_xinput_hotkey(*window, stroke)?);
            }
        }
        Ok(Hotkeys { core, xinput })
    }

    /// Hotkeys of the newer input extension are a list of their own in the server.
    fn ask_for_xinput_hotkey(
        &self,
        window: Window,
        stroke: &KeyStroke,
    ) -> Result<Cookie<'_, X, XIPassiveGrabDeviceReply>, Refusal> {
        let (key, modifiers) = (u32::from(stroke.key), [u32::from(stroke.modifiers)]);
        let (devices, kind, now) = (Device::ALL_MASTER, GrabType::KEYCODE, x11rb::CURRENT_TIME);
        let (mode, paired, owner) = (GrabMode22::ASYNC, GrabMode::ASYNC, GrabOwner::NO_OWNER);
        let (cursor, mask) = (x11rb::NONE, [0]);
        let asked = self.x.xinput_xi_passive_grab_device(
            now, window, cursor, key, devices, kind, mode, paired, owner, &mask, &modifiers,
        );
        let asked = asked.during(DOING)?;
        self.x.xinput_xi_passive_ungrab_device(window, key, devices, kind, &modifiers).during(DOING)?;
        Ok(asked)
    }

    /// Asks, right behind the press of `key` and in the same server grab, whether it went the way of keys: a hotkey of any
    /// kind, on any window, makes a grab that lasts until the key goes up.
    pub(super) fn ask_where_it_went(&self, key: Keycode, unseen: Window) -> Result<Went<'_>, Refusal> {
        let (mode, now) = (GrabMode::ASYNC, x11rb::CURRENT_TIME);
        let keyboard = self.x.grab_keyboard(false, unseen, now, mode, mode).during(DOING)?;
        let keys = self.x.query_keymap().during(DOING)?;
        Ok(Went { key, keyboard, keys })
    }
}

impl Went<'_> {
    /// To be called after a later answer was read.
    pub(super) fn refuse(self) -> Result<(), Refusal> {
        let keyboard = self.keyboard.reply().during(DOING)?.status;
        let keys = self.keys.reply().during(DOING)?.keys;
        let is_down = keys[usize::from(self.key / 8)] >> (self.key % 8) & 1 == 1;
        match (keyboard, is_down) {
            (GrabStatus::NOT_VIEWABLE, true) => Ok(()),
            (GrabStatus::NOT_VIEWABLE, false) => Err(not_seen("another program holds the synthetic keyboard back")),
            _ => Err(not_seen("another program's hotkey took them")),
        }
    }
}

fn not_seen(why: &str) -> Refusal {
    Refusal::PressNotSeen { why: why.into() }
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
        for cookie in self.xinput {
            match cookie.reply() {
                Ok(reply) if reply.modifiers.iter().any(|taken| taken.status == GrabStatus::ALREADY_GRABBED) => {
                    return Err(Refusal::Grabbed { device: HOTKEY });
                }
                // Of a window that has just gone; the chain's own check tells.
                Ok(_) | Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(error).during(DOING),
            }
        }
        for cookie in self.core {
            match cookie.check() {
                Err(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Access => {
                    return Err(Refusal::Grabbed { device: HOTKEY });
                }
                // Of a window that has just gone; the chain's own check tells.
                Ok(()) | Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(error).during(DOING),
            }
        }
        Ok(())
    }
}
