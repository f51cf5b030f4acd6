//! Which synthetic input is ours.

use std::collections::BTreeMap;

use x11rb::{
    connection::SequenceNumber,
    protocol::{
        Event,
        xinput::DeviceId,
        xproto::{BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT},
        xtest::ConnectionExt as _,
    },
};

use super::connection::{Display, During as _};
use crate::desktop::Refusal;

/// Kind and detail of a synthetic event, as it was asked for.
pub(super) type Act = (u8, u8);

impl Display {
    /// Makes synthetic input, known as ours from then on.
    pub(super) fn fake_input(&self, kind: u8, detail: u8, (x, y): (i16, i16)) -> Result<(), Refusal> {
        let sent = self.x.xtest_fake_input(kind, detail, 0, self.root, x, y, 0).during("making input")?;
        self.synthetic.borrow_mut().insert(sent.sequence_number(), (kind, detail));
        Ok(())
    }
}

/// Takes our own event out of those that are to come: that of this number, or one that was held back. A window manager's
/// grab of a button freezes the pointer until it has looked, and what we did meanwhile comes later, in its order.
pub(super) fn take(ours: &mut BTreeMap<SequenceNumber, Act>, number: SequenceNumber, act: Option<Act>) -> bool {
    if ours.remove(&number).is_some() {
        return true;
    }
    let held_back = ours.iter().find(|(_, ours)| Some(**ours) == act).map(|(number, _)| *number);
    held_back.is_some_and(|number| ours.remove(&number).is_some())
}

/// What raw input is, as a request for it would say.
pub(super) fn act(event: &Event) -> Option<Act> {
    let (kind, detail) = match event {
        Event::XinputRawKeyPress(input) => (KEY_PRESS_EVENT, input.detail),
        Event::XinputRawKeyRelease(input) => (KEY_RELEASE_EVENT, input.detail),
        Event::XinputRawButtonPress(input) => (BUTTON_PRESS_EVENT, input.detail),
        Event::XinputRawButtonRelease(input) => (BUTTON_RELEASE_EVENT, input.detail),
        Event::XinputRawMotion(_) => (MOTION_NOTIFY_EVENT, 0),
        _ => return None,
    };
    Some((kind, u8::try_from(detail).ok()?))
}

/// The button that pastes what is selected.
const MIDDLE: u32 = 2;

/// Whether input may put something into an input box: not a motion, a wheel or a plain click.
pub(super) const fn may_type(event: &Event) -> bool {
    match event {
        Event::XinputRawMotion(_) => false,
        Event::XinputRawButtonPress(input) | Event::XinputRawButtonRelease(input) => input.detail == MIDDLE,
        _ => true,
    }
}

/// The device that raw input comes from.
pub(super) const fn source(event: &Event) -> Option<DeviceId> {
    match event {
        Event::XinputRawKeyPress(input) | Event::XinputRawKeyRelease(input) => Some(input.sourceid),
        Event::XinputRawButtonPress(input) | Event::XinputRawButtonRelease(input) => Some(input.sourceid),
        Event::XinputRawMotion(input) => Some(input.sourceid),
        Event::XinputRawTouchBegin(input) | Event::XinputRawTouchUpdate(input) | Event::XinputRawTouchEnd(input) => {
            Some(input.sourceid)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_frozen_device_held_back_is_ours_once() {
        let mut ours = BTreeMap::from([(7, (BUTTON_RELEASE_EVENT, 1)), (9, (KEY_PRESS_EVENT, 37))]);
        assert!(!take(&mut ours, 8, Some((BUTTON_PRESS_EVENT, 1))), "another act than ours");
        assert!(take(&mut ours, 8, Some((BUTTON_RELEASE_EVENT, 1))));
        assert!(!take(&mut ours, 8, Some((BUTTON_RELEASE_EVENT, 1))), "one more than ours");
        assert!(take(&mut ours, 9, Some((KEY_PRESS_EVENT, 37))));
        assert!(ours.is_empty());
    }
}
