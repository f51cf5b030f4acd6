//! Releasing what a dead predecessor left down.

use x11rb::{
    connection::Connection as _,
    protocol::{
        xinput::{ConnectionExt as _, DeviceType, InputStateData},
        xproto::{BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_RELEASE_EVENT, Keycode},
    },
};

use super::{X11Desktop, connection::During as _, keyboard::buttons};
use crate::desktop::Refusal;

const DOING: &str = "looking for held keys";
/// All devices, for the input extension.
const ALL_DEVICES: u16 = 0;

/// What is down on some devices.
#[derive(Debug, Default)]
struct Down {
    keys: [u8; 32],
    buttons: [u8; 32],
}

impl X11Desktop {
    /// Releases keys and buttons that only synthetic input holds: what a real device holds is a person's.
    pub(super) fn release_left_down(&mut self) -> Result<Vec<String>, Refusal> {
        let keymap = self.display.x.query_keymap().during(DOING)?;
        let pointer = self.display.x.query_pointer(self.display.root).during(DOING)?;
        let keymap = keymap.reply().during(DOING)?;
        let pointer = pointer.reply().during(DOING)?;
        self.keyboard_state = pointer.mask.into();
        if keymap.keys.iter().all(|keys| *keys == 0) && buttons(pointer.mask.into()) == 0 {
            return Ok(Vec::new());
        }
        let (synthetic, real) = self.look_at_devices()?;
        let mut released = Vec::new();
        for key in set_bits(&synthetic.keys, &real.keys) {
            self.display.fake_input(KEY_RELEASE_EVENT, key, (0, 0))?;
            released.push(format!("key {}", self.keyboard.name(key)));
        }
        for button in set_bits(&synthetic.buttons, &real.buttons) {
            self.display.fake_input(BUTTON_RELEASE_EVENT, button, (0, 0))?;
            released.push(format!("button {button}"));
        }
        self.display.round_trip("releasing held keys")?;
        self.display.x.flush().during(DOING)?;
        Ok(released)
    }

    /// What is down on the devices of synthetic input, and on the real ones.
    fn look_at_devices(&self) -> Result<(Down, Down), Refusal> {
        let devices = self.display.x.xinput_xi_query_device(ALL_DEVICES).during(DOING)?.reply().during(DOING)?;
        let slaves = [DeviceType::SLAVE_KEYBOARD, DeviceType::SLAVE_POINTER, DeviceType::FLOATING_SLAVE];
        let (mut synthetic, mut real) = (Down::default(), Down::default());
        for device in devices.infos.into_iter().filter(|device| slaves.contains(&device.type_)) {
            let Ok(id) = u8::try_from(device.deviceid) else { continue };
            let asked = self.display.x.xinput_query_device_state(id).during(DOING)?;
            // A device that was unplugged just now holds nothing.
            let Ok(state) = asked.reply() else { continue };
            let name = String::from_utf8_lossy(&device.name);
            let down = if name.contains("XTEST") { &mut synthetic } else { &mut real };
            for class in state.classes {
                match class.data {
                    InputStateData::Key(keys) => merge(&mut down.keys, &keys.keys),
                    InputStateData::Button(buttons) => merge(&mut down.buttons, &buttons.buttons),
                    _ => {}
                }
            }
        }
        Ok((synthetic, real))
    }
}

fn merge(into: &mut [u8; 32], from: &[u8; 32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into |= from;
    }
}

/// The numbers of the bits that are set in `ours` only.
fn set_bits(ours: &[u8; 32], others: &[u8; 32]) -> Vec<Keycode> {
    let set = |number: &u8| {
        let (byte, bit) = (usize::from(*number / 8), *number % 8);
        (ours[byte] & !others[byte]) >> bit & 1 == 1
    };
    (1..=u8::MAX).filter(set).collect()
}

#[cfg(test)]
mod tests {
    use super::set_bits;

    #[test]
    fn what_a_real_device_holds_is_not_released() {
        let (mut ours, mut others) = ([0; 32], [0; 32]);
        ours[4] = 0b0010_0000;
        ours[31] = 0b1000_0000;
        assert_eq!(set_bits(&ours, &others), [37, 255]);
        others[4] = 0b0010_0000;
        assert_eq!(set_bits(&ours, &others), [255]);
    }
}
