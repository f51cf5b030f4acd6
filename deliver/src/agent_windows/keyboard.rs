//! What the keys mean.

use x11rb::protocol::xproto::{ConnectionExt as _, GetKeyboardMappingReply, KeyButMask, KeyPressEvent};
use x11rb::rust_connection::RustConnection;

use super::behaviour::PasteKey;
use super::error::AgentWindowsError;

const RETURN: u32 = 0xff0d;
const KEYPAD_ENTER: u32 = 0xff8d;
const TAB: u32 = 0xff09;
const INSERT: u32 = 0xff63;
const KEYPAD_INSERT: u32 = 0xff9e;

/// What a key press means to a text box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This goes into the draft.
    Text(String),
    /// The paste key.
    Paste,
    /// Return without modifiers.
    Submit,
    /// A modifier alone.
    Nothing,
}

/// The keyboard as the server maps it at the moment.
#[derive(Debug)]
pub(super) struct Keyboard {
    first: u8,
    mapping: GetKeyboardMappingReply,
}

impl Keyboard {
    pub(super) fn read(connection: &RustConnection) -> Result<Self, AgentWindowsError> {
        use x11rb::connection::Connection as _;
        let setup = connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = connection.get_keyboard_mapping(first, last - first + 1)?.reply()?;
        Ok(Self { first, mapping })
    }

    pub(super) fn meaning(&self, press: &KeyPressEvent, paste_key: PasteKey) -> Meaning {
        let held = |mask: KeyButMask| u16::from(press.state) & u16::from(mask) != 0;
        let (shift, ctrl) = (held(KeyButMask::SHIFT), held(KeyButMask::CONTROL));
        let (alt, logo) = (held(KeyButMask::MOD1), held(KeyButMask::MOD4));
        let keysym = self.keysym(press, shift, held(KeyButMask::LOCK));
        if is_modifier(keysym) {
            return Meaning::Nothing;
        }
        let letter = character(keysym).map(|character| character.to_ascii_lowercase());
        let plain = !alt && !logo;
        let pastes = plain
            && match paste_key {
                PasteKey::CtrlV => ctrl && !shift && letter == Some('v'),
                PasteKey::CtrlShiftV => ctrl && shift && letter == Some('v'),
                PasteKey::ShiftInsert => !ctrl && shift && matches!(keysym, INSERT | KEYPAD_INSERT),
            };
        if pastes {
            return Meaning::Paste;
        }
        let is_return = matches!(keysym, RETURN | KEYPAD_ENTER);
        match (is_return, character(keysym)) {
            (true, _) if plain && !ctrl && !shift => Meaning::Submit,
            (true, _) if plain && !ctrl => Meaning::Text("\n".to_owned()),
            (false, Some(character)) if plain && !ctrl => Meaning::Text(character.to_string()),
            (_, character) => Meaning::Text(name(keysym, character, [(ctrl, "C-"), (alt, "A-"), (logo, "L-")])),
        }
    }

    /// The symbol on the key at the level that the modifiers choose: group by the state's bits, third level by AltGr.
    fn keysym(&self, press: &KeyPressEvent, shift: bool, caps: bool) -> u32 {
        let width = usize::from(self.mapping.keysyms_per_keycode);
        let row = usize::from(press.detail.saturating_sub(self.first)) * width;
        let at = |column: usize| {
            let there = if column < width { self.mapping.keysyms.get(row + column) } else { None };
            there.copied().unwrap_or(0)
        };
        let group = usize::from(u16::from(press.state) >> 13 & 3).min(1) * 2;
        let altgr = u16::from(press.state) & u16::from(KeyButMask::MOD5) != 0;
        let base = if altgr && at(4) != 0 { 4 } else { group };
        let (low, high) = (at(base), at(base + 1));
        let upper = if high != 0 { high } else { low };
        let is_letter = character(low).is_some_and(char::is_alphabetic);
        if shift != (caps && is_letter) { upper } else { low }
    }
}

fn character(keysym: u32) -> Option<char> {
    match keysym {
        TAB => Some('\t'),
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(keysym),
        0xffaa..=0xffb9 => char::from_u32(keysym - 0xff80),
        0x0100_0000..=0x0110_ffff => char::from_u32(keysym - 0x0100_0000),
        _ => None,
    }
}

/// Shift, Ctrl, Alt and the like, the locks, and the level switches of ISO keyboards.
fn is_modifier(keysym: u32) -> bool {
    matches!(keysym, 0xffe1..=0xffee | 0xfe01..=0xfe13 | 0xff7e | 0xff7f | 0xff14)
}

fn name(keysym: u32, character: Option<char>, modifiers: [(bool, &str); 3]) -> String {
    let held: String = modifiers.iter().filter(|(held, _)| *held).map(|(_, name)| *name).collect();
    match (keysym, character) {
        (RETURN | KEYPAD_ENTER, _) => format!("<{held}Return>"),
        (_, Some(character)) => format!("<{held}{character}>"),
        (_, None) => format!("<{held}{keysym:#x}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows from keycode 8: v, Return, Insert, Control, a CJK character, Escape.
    fn keyboard() -> Keyboard {
        let rows = [[0x76, 0x56], [RETURN, 0], [INSERT, 0], [0xffe3, 0], [0x0100_4f60, 0], [0xff1b, 0]];
        let mapping = GetKeyboardMappingReply { keysyms_per_keycode: 2, sequence: 0, keysyms: rows.concat() };
        Keyboard { first: 8, mapping }
    }

    fn meaning(keycode: u8, state: KeyButMask, paste_key: PasteKey) -> Meaning {
        let press = KeyPressEvent {
            response_type: 2,
            detail: keycode,
            sequence: 0,
            time: 0,
            root: 0,
            event: 0,
            child: 0,
            root_x: 0,
            root_y: 0,
            event_x: 0,
            event_y: 0,
            state,
            same_screen: true,
        };
        keyboard().meaning(&press, paste_key)
    }

    #[test]
    fn only_the_paste_key_of_the_application_pastes() {
        let (none, ctrl, shift) = (KeyButMask::default(), KeyButMask::CONTROL, KeyButMask::SHIFT);
        assert_eq!(meaning(8, ctrl, PasteKey::CtrlV), Meaning::Paste);
        assert_eq!(meaning(8, ctrl | KeyButMask::MOD2, PasteKey::CtrlV), Meaning::Paste, "Num Lock does not matter");
        assert_eq!(meaning(8, ctrl | shift, PasteKey::CtrlV), Meaning::Text("<C-V>".to_owned()));
        assert_eq!(meaning(8, ctrl | shift, PasteKey::CtrlShiftV), Meaning::Paste);
        assert_eq!(meaning(10, shift, PasteKey::ShiftInsert), Meaning::Paste);
        assert_eq!(meaning(8, none, PasteKey::CtrlV), Meaning::Text("v".to_owned()));
        assert_eq!(meaning(8, shift, PasteKey::CtrlV), Meaning::Text("V".to_owned()));
    }

    #[test]
    fn whatever_else_is_pressed_can_be_seen() {
        let none = KeyButMask::default();
        assert_eq!(meaning(9, none, PasteKey::CtrlV), Meaning::Submit);
        assert_eq!(meaning(9, KeyButMask::LOCK, PasteKey::CtrlV), Meaning::Submit);
        assert_eq!(meaning(9, KeyButMask::SHIFT, PasteKey::CtrlV), Meaning::Text("\n".to_owned()));
        assert_eq!(meaning(9, KeyButMask::CONTROL, PasteKey::CtrlV), Meaning::Text("<C-Return>".to_owned()));
        assert_eq!(meaning(11, none, PasteKey::CtrlV), Meaning::Nothing);
        assert_eq!(meaning(12, none, PasteKey::CtrlV), Meaning::Text("\u{4f60}".to_owned()));
        assert_eq!(meaning(13, none, PasteKey::CtrlV), Meaning::Text("<0xff1b>".to_owned()));
    }
}
