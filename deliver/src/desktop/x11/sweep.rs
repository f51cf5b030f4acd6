//! Releasing what a dead predecessor left down.

use x11rb::protocol::{
    xinput::{ConnectionExt as _, DeviceType, InputStateData},
    xproto::{
        BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
        QueryKeymapReply,
    },
};

use super::{X11Desktop, connection::During as _, keyboard::buttons, own_input::Act, pressed};
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

impl Down {
    fn holds(&self, (kind, number): Act) -> bool {
        let bits = if kind == KEY_PRESS_EVENT { &self.keys } else { &self.buttons };
        bits[usize::from(number / 8)] >> (number % 8) & 1 == 1
    }

    fn all(&self) -> impl Iterator<Item = Act> {
        let acts = [KEY_PRESS_EVENT, BUTTON_PRESS_EVENT].into_iter();
        acts.flat_map(|kind| (1..=u8::MAX).map(move |number| (kind, number))).filter(|act| self.holds(*act))
    }
}

impl X11Desktop {
    /// Releases what a sender has named as its own and synthetic input still holds. What a real device holds is a person's,
    /// and all the rest another program's: that is refused, and not touched.
    pub(super) fn release_left_down(&mut self) -> Result<Vec<String>, Refusal> {
        let keymap = self.display.x.query_keymap().during(DOING)?;
        let pointer = self.display.x.query_pointer(self.display.root).during(DOING)?;
        let named = self.display.ask_for_pressed()?;
        let keymap = keymap.reply().during(DOING)?;
        let pointer = pointer.reply().during(DOING)?;
        let named = pressed::named(named)?;
        self.keyboard_state = pointer.mask.into();
        let mut released = Vec::new();
        if !is_any_down(&keymap) && buttons(pointer.mask.into()) == 0 {
            if !named.is_empty() {
                self.display.all_released()?;
            }
            return Ok(released);
        }
        let (synthetic, real) = self.look_at_devices()?;
        let (shared, ours): (Vec<Act>, Vec<Act>) =
            named.iter().filter(|act| synthetic.holds(**act)).partition(|act| real.holds(**act));
        for act in ours {
            let (kind, number) = act;
            let up = if kind == KEY_PRESS_EVENT { KEY_RELEASE_EVENT } else { BUTTON_RELEASE_EVENT };
            self.display.fake_input(up, number, (0, 0))?;
            released.push(self.called(act));
        }
        if shared.is_empty() {
            self.display.all_released()?;
        }
        self.display.round_trip("releasing held keys")?;
        self.refuse_strangers(&synthetic, &named).inspect_err(|_| {
            tracing::info!(?released, "released what a dead sender left");
        })?;
        Ok(released)
    }

    /// Refuses while synthetic input of another program holds anything.
    pub(super) fn refuse_held_by_strangers(&self) -> Result<(), Refusal> {
        let keymap = self.display.x.query_keymap().during(DOING)?.reply().during(DOING)?;
        if !is_any_down(&keymap) {
            return Ok(());
        }
        let named = pressed::named(self.display.ask_for_pressed()?)?;
        self.refuse_strangers(&self.look_at_devices()?.0, &named)
    }

    fn refuse_strangers(&self, synthetic: &Down, named: &[Act]) -> Result<(), Refusal> {
        match synthetic.all().find(|act| !named.contains(act)) {
            None => Ok(()),
            Some(act) => {
                let device = if act.0 == KEY_PRESS_EVENT { "keyboard" } else { "mouse" };
                Err(Refusal::Interference {
                    device: format!("the {device}: another program holds {}", self.called(act)),
                })
            }
        }
    }

    fn called(&self, (kind, number): Act) -> String {
        match kind {
            KEY_PRESS_EVENT => format!("key {}", self.keyboard.name(number)),
            _ => format!("button {number}"),
        }
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

fn is_any_down(keymap: &QueryKeymapReply) -> bool {
    keymap.keys.iter().any(|keys| *keys != 0)
}

fn merge(into: &mut [u8; 32], from: &[u8; 32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into |= from;
    }
}
