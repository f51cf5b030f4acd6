//! Which keys and buttons are ours: they are named on the root window before they go down, and the name goes once they are up
//! again. So the next sender can tell what a dead one left down from what somebody else holds.

use x11rb::{
    connection::Connection as _,
    cookie::Cookie,
    protocol::xproto::{
        AtomEnum, BUTTON_PRESS_EVENT, ConnectionExt as _, GetPropertyReply, KEY_PRESS_EVENT, PropMode, Window,
    },
    wrapper::ConnectionExt as _,
};

use super::{
    connection::{Display, During as _, X},
    own_input::Act,
};
use crate::desktop::Refusal;

const DOING: &str = "naming the keys that are pressed";
/// More keys and buttons than any chord has, and a bound for what somebody else may have put there.
const NAMED_MAX: u32 = 64;

impl Display {
    /// All screens have the same devices, and the first one's root window.
    fn first_root(&self) -> Window {
        self.x.setup().roots.first().map_or(self.root, |screen| screen.root)
    }

    /// Names presses that follow, on this connection.
    pub(super) fn name_pressed(&self, presses: &[Act]) -> Result<(), Refusal> {
        let named: Vec<u32> = presses.iter().map(|(kind, detail)| u32::from(*kind) << 8 | u32::from(*detail)).collect();
        let (root, name, kind) = (self.first_root(), self.atoms._TALKSTICK_PRESSED, AtomEnum::CARDINAL);
        self.x.change_property32(PropMode::REPLACE, root, name, kind, &named).map(drop).during(DOING)
    }

    /// All that was named is up again, by the requests before this one.
    pub(super) fn all_released(&self) -> Result<(), Refusal> {
        self.x.delete_property(self.first_root(), self.atoms._TALKSTICK_PRESSED).map(drop).during(DOING)
    }

    /// Asks for what was named last.
    pub(super) fn ask_for_pressed(&self) -> Result<Cookie<'_, X, GetPropertyReply>, Refusal> {
        let (root, name) = (self.first_root(), self.atoms._TALKSTICK_PRESSED);
        self.x.get_property(false, root, name, AtomEnum::CARDINAL, 0, NAMED_MAX).during(DOING)
    }
}

/// The presses that were named; what is none is left out.
pub(super) fn named(answer: Cookie<'_, X, GetPropertyReply>) -> Result<Vec<Act>, Refusal> {
    let answer = answer.reply().during(DOING)?;
    let acts = answer.value32().into_iter().flatten().filter_map(|act| {
        let (kind, detail) = (u8::try_from(act >> 8).ok()?, (act & 0xff) as u8);
        [KEY_PRESS_EVENT, BUTTON_PRESS_EVENT].contains(&kind).then_some((kind, detail))
    });
    Ok(acts.collect())
}
