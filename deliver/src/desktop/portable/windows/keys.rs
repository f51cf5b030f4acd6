//! Chords and clicks as one `SendInput` each: Windows lets no other input in between.

use std::io;

use enigo::EVENT_MARKER;
use windows_sys::Win32::UI::Input::KeyboardAndMouse::{
    GetAsyncKeyState, HKL, INPUT, INPUT_0, INPUT_KEYBOARD, INPUT_MOUSE, KEYBDINPUT, KEYEVENTF_EXTENDEDKEY,
    KEYEVENTF_KEYUP, MAPVK_VK_TO_VSC, MOUSEEVENTF_ABSOLUTE, MOUSEEVENTF_MOVE, MOUSEEVENTF_VIRTUALDESK, MOUSEINPUT,
    MapVirtualKeyExW, SendInput, VIRTUAL_KEY, VK_CONTROL, VK_INSERT, VK_LBUTTON, VK_LWIN, VK_MBUTTON, VK_MENU,
    VK_RBUTTON, VK_RETURN, VK_RWIN, VK_SHIFT, VK_SPACE, VK_TAB, VkKeyScanExW,
};

use crate::desktop::{Chord, Refusal};

/// A key that goes down or up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desktop) struct KeyStroke {
    key: VIRTUAL_KEY,
    scan: u16,
    down: bool,
}

/// The strokes that make `chord` on the target's keyboard layout.
pub(super) fn strokes(chord: &Chord, layout: HKL) -> Result<Vec<KeyStroke>, Refusal> {
    let (key, needs_shift) = find(&chord.key, layout).ok_or_else(|| Refusal::NoSuchKey(chord.to_string()))?;
    let held = [(chord.ctrl, VK_CONTROL), (chord.shift || needs_shift, VK_SHIFT), (chord.alt, VK_MENU)];
    let held: Vec<VIRTUAL_KEY> = held.into_iter().filter(|(wanted, _)| *wanted).map(|(_, key)| key).collect();
    // SAFETY: takes numbers and a layout, and gives a number.
    let scan = |key: VIRTUAL_KEY| unsafe { MapVirtualKeyExW(key.into(), MAPVK_VK_TO_VSC, layout) } as u16;
    Ok(order(key, &held).into_iter().map(|(key, down)| KeyStroke { key, scan: scan(key), down }).collect())
}

/// Modifiers around the key.
fn order(key: VIRTUAL_KEY, held: &[VIRTUAL_KEY]) -> Vec<(VIRTUAL_KEY, bool)> {
    let down = held.iter().map(|held| (*held, true));
    let up = held.iter().rev().map(|held| (*held, false));
    down.chain([(key, true), (key, false)]).chain(up).collect()
}

/// The key of a name, and whether it needs Shift. A letter that the layout lacks is the key that bears it elsewhere:
/// programs know Ctrl with a letter by the key's number.
fn find(name: &str, layout: HKL) -> Option<(VIRTUAL_KEY, bool)> {
    let named = [("return", VK_RETURN), ("insert", VK_INSERT), ("tab", VK_TAB), ("space", VK_SPACE)];
    if let Some((_, key)) = named.into_iter().find(|(of, _)| *of == name) {
        return Some((key, false));
    }
    let &[sign] = name.as_bytes() else { return None };
    // SAFETY: takes a number and a layout, and gives a number.
    let found = unsafe { VkKeyScanExW(sign.into(), layout) };
    let [key, shift] = found.to_le_bytes();
    match (found, shift) {
        (-1, _) | (_, 2..) => sign.is_ascii_alphanumeric().then(|| (sign.to_ascii_uppercase().into(), false)),
        (_, shift) => Some((key.into(), shift == 1)),
    }
}

/// Presses and releases them in one act.
pub(super) fn press(strokes: &[KeyStroke]) -> Result<(), Refusal> {
    let inputs: Vec<INPUT> = strokes.iter().map(key_input).collect();
    send(&inputs, "pressing keys")
}

/// Moves the pointer to a point of the virtual desktop.
pub(super) fn move_pointer((dx, dy): (i32, i32)) -> Result<(), Refusal> {
    let flags = MOUSEEVENTF_MOVE | MOUSEEVENTF_ABSOLUTE | MOUSEEVENTF_VIRTUALDESK;
    let mi = MOUSEINPUT { dx, dy, mouseData: 0, dwFlags: flags, time: 0, dwExtraInfo: EVENT_MARKER as usize };
    send(&[INPUT { r#type: INPUT_MOUSE, Anonymous: INPUT_0 { mi } }], "moving the pointer")
}

fn key_input(stroke: &KeyStroke) -> INPUT {
    let extended = if stroke.key == VK_INSERT { KEYEVENTF_EXTENDEDKEY } else { 0 };
    let up = if stroke.down { 0 } else { KEYEVENTF_KEYUP };
    let ki = KEYBDINPUT {
        wVk: stroke.key,
        wScan: stroke.scan,
        dwFlags: extended | up,
        time: 0,
        // By which hooks tell our events from a person's.
        dwExtraInfo: EVENT_MARKER as usize,
    };
    INPUT { r#type: INPUT_KEYBOARD, Anonymous: INPUT_0 { ki } }
}

/// A refusal means that nothing was sent, unless it is [`Refusal::Disconnected`].
fn send(inputs: &[INPUT], during: &'static str) -> Result<(), Refusal> {
    let count = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
    let size = i32::try_from(size_of::<INPUT>()).unwrap_or(i32::MAX);
    // SAFETY: the array is of that length, and of that size each.
    match unsafe { SendInput(count, inputs.as_ptr(), size) } {
        sent if sent == count => Ok(()),
        0 => {
            let why = io::Error::last_os_error();
            Err(Refusal::Interference { device: format!("the input devices: Windows took nothing from us ({why})") })
        }
        sent => {
            let why = format!("Windows took {sent} of {count} events: {}", io::Error::last_os_error());
            Err(Refusal::Disconnected { during, why })
        }
    }
}

/// Refuses while somebody holds a modifier or a button.
pub(super) fn refuse_held() -> Result<(), Refusal> {
    let keys = [(VK_CONTROL, "Ctrl"), (VK_SHIFT, "Shift"), (VK_MENU, "Alt"), (VK_LWIN, "Win"), (VK_RWIN, "Win")];
    // SAFETY: takes a number, and gives one.
    let down = |key: VIRTUAL_KEY| unsafe { GetAsyncKeyState(key.into()) } < 0;
    if let Some((_, name)) = keys.into_iter().find(|(key, _)| down(*key)) {
        return Err(Refusal::Interference { device: format!("the keyboard: {name} is held") });
    }
    match [VK_LBUTTON, VK_RBUTTON, VK_MBUTTON].into_iter().any(down) {
        true => Err(Refusal::Interference { device: "the mouse: a button is held".into() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chord_is_one_array_with_its_modifiers_around_its_key() {
        let pressed = order(0x56, &[VK_CONTROL, VK_SHIFT]);
        let expected = [(VK_CONTROL, true), (VK_SHIFT, true), (0x56, true), (0x56, false), (VK_SHIFT, false)];
        assert_eq!(pressed[..5], expected);
        assert_eq!(pressed[5..], [(VK_CONTROL, false)]);
    }

    #[test]
    fn keys_are_found_by_their_names() {
        let chord = |text: &str| strokes(&text.parse().unwrap(), std::ptr::null_mut());
        assert_eq!(chord("ctrl+v").unwrap()[1].key, u16::from(b'V'));
        assert_eq!(chord("shift+insert").unwrap()[1].key, VK_INSERT);
        assert_eq!(chord("return").unwrap().len(), 2);
    }
}
