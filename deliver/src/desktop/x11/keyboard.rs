//! Which keys make a chord on this keyboard, as it is mapped now.

use x11rb::{
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, KEY_PRESS_EVENT, KeyButMask, Keycode, Keysym, ModMask},
};

use super::{
    connection::{Display, During as _},
    own_input::Act,
};
use crate::desktop::{Chord, Refusal};

const CAPS_LOCK: Keysym = 0xffe5;
const NUM_LOCK: Keysym = 0xff7f;
const SCROLL_LOCK: Keysym = 0xff14;
const SHIFT_L: Keysym = 0xffe1;
const CONTROL_L: Keysym = 0xffe3;
const ALT_L: Keysym = 0xffe9;

/// The server's keyboard mapping.
#[derive(Debug, Clone)]
pub(super) struct Keyboard {
    first: Keycode,
    columns: usize,
    symbols: Vec<Keysym>,
    /// For each modifier bit (Shift, Lock, Control, Mod1 to Mod5), the keys that set it.
    modifiers: Vec<Vec<Keycode>>,
}

/// A key that goes down or up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desktop) struct KeyStroke {
    pub(in crate::desktop) key: Keycode,
    pub(in crate::desktop) down: bool,
    /// The modifiers in force when it does; a foreign hotkey on exactly this would swallow it.
    pub(super) modifiers: u16,
}

impl KeyStroke {
    /// The press of its key.
    pub(super) const fn act(&self) -> Act {
        (KEY_PRESS_EVENT, self.key)
    }
}

impl Keyboard {
    /// Reads the mapping; out of date as soon as the server says so (`MappingNotify`).
    pub(super) fn read(display: &Display) -> Result<Self, Refusal> {
        const DOING: &str = "reading the keyboard's mapping";
        let setup = display.x.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = display.x.get_keyboard_mapping(first, last - first + 1).during(DOING)?;
        let modifiers = display.x.get_modifier_mapping().during(DOING)?;
        let mapping = mapping.reply().during(DOING)?;
        let modifiers = modifiers.reply().during(DOING)?;
        let row = usize::from(modifiers.keycodes_per_modifier()).max(1);
        let rows = modifiers.keycodes.chunks(row);
        Ok(Self {
            first,
            columns: usize::from(mapping.keysyms_per_keycode).max(1),
            symbols: mapping.keysyms,
            modifiers: rows.map(|row| row.iter().copied().filter(|key| *key != 0).collect()).collect(),
        })
    }

    /// The strokes that make `chord` while `state` is in force (locked modifiers and the active layout).
    ///
    /// The key is looked for in the active layout first, then in the others: programs resolve Ctrl with a letter by the
    /// key when the active layout has no such letter. On a keyboard without any Latin letter it is the key at the
    /// letter's place on a US keyboard, which is what such programs expect.
    pub(super) fn strokes(&self, chord: &Chord, state: u16) -> Result<Vec<KeyStroke>, Refusal> {
        let missing = || Refusal::NoSuchKey(chord.to_string());
        let (key, needs_shift) = self.find(&chord.key, usize::from(state >> 13 & 3)).ok_or_else(missing)?;
        let mut held = Vec::new();
        let wanted = [
            (chord.ctrl, CONTROL_L, ModMask::CONTROL),
            (chord.shift || needs_shift, SHIFT_L, ModMask::SHIFT),
            (chord.alt, ALT_L, ModMask::M1),
        ];
        for (_, symbol, usual) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            held.push(self.modifier_key(symbol, usual).ok_or_else(missing)?);
        }
        let mut strokes = Strokes { list: Vec::new(), modifiers: state & self.locks() };
        // Caps Lock makes Ctrl+V of Ctrl+v for some toolkits: it is taken off and put back in the same act.
        let caps = self.caps_key().filter(|_| state & u16::from(ModMask::LOCK) != 0 && is_letter(&chord.key));
        strokes.tap_caps(caps);
        for (key, bit) in &held {
            strokes.push(*key, true);
            strokes.modifiers |= bit;
        }
        strokes.push(key, true);
        strokes.push(key, false);
        for (key, bit) in held.iter().rev() {
            strokes.push(*key, false);
            strokes.modifiers &= !bit;
        }
        strokes.tap_caps(caps);
        Ok(strokes.list)
    }

    /// Modifiers of `state` that somebody holds down, as text; locked ones (Caps Lock, Num Lock) do not count.
    pub(super) fn held(&self, state: u16) -> Option<&'static str> {
        let names = ["Shift", "", "Ctrl", "Alt", "a modifier", "a modifier", "a modifier", "a modifier"];
        let held = state & 0xff & !self.locks();
        names.iter().enumerate().find(|(bit, _)| held & 1 << bit != 0).map(|(_, name)| *name)
    }

    /// What a key is called, for reports.
    pub(super) fn name(&self, key: Keycode) -> String {
        match self.symbols_of(key).first() {
            Some(&(0xffe1 | 0xffe2)) => "Shift".into(),
            Some(&(0xffe3 | 0xffe4)) => "Ctrl".into(),
            Some(&(0xffe9 | 0xffea)) => "Alt".into(),
            Some(&(0xffeb | 0xffec)) => "Super".into(),
            Some(&0xff0d) => "Return".into(),
            Some(&0xff63) => "Insert".into(),
            Some(symbol @ 0x21..=0x7e) => char::from_u32(*symbol).into_iter().collect(),
            _ => format!("number {key}"),
        }
    }

    /// The bits of modifiers that stay on without being held.
    fn locks(&self) -> u16 {
        let rows = self.modifiers.iter().enumerate();
        let locks = rows.filter(|(bit, keys)| {
            *bit == 1 || keys.iter().any(|key| self.has(*key, NUM_LOCK) || self.has(*key, SCROLL_LOCK))
        });
        locks.map(|(bit, _)| 1 << bit).sum()
    }

    fn find(&self, name: &str, layout: usize) -> Option<(Keycode, bool)> {
        let symbol = symbol_of(name)?;
        let keys = || self.first..=self.first.saturating_add(u8::try_from(self.key_count() - 1).unwrap_or(u8::MAX));
        let in_layout = |layout: usize, level: usize| keys().find(|key| self.at(*key, layout, level) == symbol);
        for layout in [layout, 0, 1] {
            for (level, needs_shift) in [(0, false), (1, true)] {
                if let Some(key) = in_layout(layout, level) {
                    return Some((key, needs_shift));
                }
            }
        }
        let has_latin = keys().any(|key| (0..2).any(|layout| is_latin_letter(self.at(key, layout, 0))));
        let place = (!has_latin).then(|| us_place(name)).flatten()?;
        keys().contains(&place).then_some((place, false))
    }

    fn key_count(&self) -> usize {
        (self.symbols.len() / self.columns).max(1)
    }

    fn symbols_of(&self, key: Keycode) -> &[Keysym] {
        let at = usize::from(key.saturating_sub(self.first)) * self.columns;
        self.symbols.get(at..at + self.columns).unwrap_or_default()
    }

    fn has(&self, key: Keycode, symbol: Keysym) -> bool {
        self.symbols_of(key).contains(&symbol)
    }

    /// The symbol of a key in one of the first two layouts, by the rules of the core protocol.
    fn at(&self, key: Keycode, layout: usize, level: usize) -> Keysym {
        let symbols = self.symbols_of(key);
        let column = |column: usize| symbols.get(column).copied().unwrap_or(0);
        // A key without a second layout has the first one in both.
        let first = if layout == 1 && (column(2) != 0 || column(3) != 0) { 2 } else { 0 };
        match (column(first), column(first + 1)) {
            // A letter alone stands for both its cases.
            (alone @ 0x41..=0x5a, 0) if level == 0 => alone + 0x20,
            (alone, 0) => alone,
            (lower, upper) => [lower, upper][level.min(1)],
        }
    }

    fn modifier_key(&self, symbol: Keysym, usual: ModMask) -> Option<(Keycode, u16)> {
        let rows = || self.modifiers.iter().enumerate();
        let exact = rows().find_map(|(bit, keys)| {
            let key = keys.iter().find(|key| self.symbols_of(**key).first() == Some(&symbol))?;
            Some((*key, 1 << bit))
        });
        let usual = u16::from(usual);
        exact.or_else(|| rows().find_map(|(bit, keys)| Some((*keys.first()?, usual)).filter(|_| usual == 1 << bit)))
    }

    fn caps_key(&self) -> Option<Keycode> {
        self.modifiers.get(1)?.iter().copied().find(|key| self.symbols_of(*key).first() == Some(&CAPS_LOCK))
    }
}

/// Strokes with the modifiers in force at each.
struct Strokes {
    list: Vec<KeyStroke>,
    modifiers: u16,
}

impl Strokes {
    fn push(&mut self, key: Keycode, down: bool) {
        self.list.push(KeyStroke { key, down, modifiers: self.modifiers });
    }

    fn tap_caps(&mut self, key: Option<Keycode>) {
        let Some(key) = key else { return };
        self.push(key, true);
        self.push(key, false);
        self.modifiers ^= u16::from(ModMask::LOCK);
    }
}

/// The buttons of a pointer state.
pub(super) fn buttons(state: u16) -> u16 {
    state & u16::from(KeyButMask::BUTTON1 | KeyButMask::BUTTON2 | KeyButMask::BUTTON3)
        | state & u16::from(KeyButMask::BUTTON4 | KeyButMask::BUTTON5)
}

fn symbol_of(name: &str) -> Option<Keysym> {
    match (name, name.as_bytes()) {
        ("return", _) => Some(0xff0d),
        ("insert", _) => Some(0xff63),
        ("tab", _) => Some(0xff09),
        ("space", _) => Some(0x20),
        (_, [plain @ (b'a'..=b'z' | b'0'..=b'9')]) => Some(u32::from(*plain)),
        _ => None,
    }
}

fn is_letter(name: &str) -> bool {
    matches!(name.as_bytes(), [b'a'..=b'z'])
}

const fn is_latin_letter(symbol: Keysym) -> bool {
    matches!(symbol, 0x41..=0x5a | 0x61..=0x7a)
}

/// Where a letter or digit lies on a US keyboard, in the keycodes that X servers use.
fn us_place(name: &str) -> Option<Keycode> {
    let rows = [("1234567890", 10), ("qwertyuiop", 24), ("asdfghjkl", 38), ("zxcvbnm", 52)];
    let place = |(row, first): (&str, u8)| row.find(name).and_then(|at| u8::try_from(at).ok()).map(|at| first + at);
    if name.len() == 1 { rows.into_iter().find_map(place) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys 37 Ctrl, 50 Shift, 64 Alt, 66 Caps, 77 Num; 55 as given; 36 Return.
    fn keyboard(of_55: [Keysym; 4]) -> Keyboard {
        let mut symbols = vec![0; 4 * 248];
        let mut set = |key: usize, row: [Keysym; 4]| symbols[(key - 8) * 4..(key - 8) * 4 + 4].copy_from_slice(&row);
        for (key, symbol) in
            [(37, CONTROL_L), (50, SHIFT_L), (64, ALT_L), (66, CAPS_LOCK), (77, NUM_LOCK), (36, 0xff0d)]
        {
            set(key, [symbol, 0, 0, 0]);
        }
        set(55, of_55);
        let modifiers = vec![vec![50], vec![66], vec![37], vec![64], vec![77], vec![], vec![], vec![]];
        Keyboard { first: 8, columns: 4, symbols, modifiers }
    }

    fn keys(keyboard: &Keyboard, chord: &str, state: u16) -> Vec<(Keycode, bool)> {
        let strokes = keyboard.strokes(&chord.parse().unwrap(), state).unwrap();
        strokes.into_iter().map(|stroke| (stroke.key, stroke.down)).collect()
    }

    const LATIN: [Keysym; 4] = [0x76, 0x56, 0, 0];

    #[test]
    fn a_chord_holds_its_modifiers_around_its_key() {
        let pressed = keys(&keyboard(LATIN), "ctrl+shift+v", 0);
        assert_eq!(pressed, [(37, true), (50, true), (55, true), (55, false), (50, false), (37, false)]);
    }

    #[test]
    fn caps_lock_is_taken_off_for_letters_only() {
        let lock = u16::from(ModMask::LOCK);
        let pressed = keys(&keyboard(LATIN), "ctrl+v", lock);
        assert_eq!(pressed.first(), Some(&(66, true)));
        assert_eq!(pressed[2..6], [(37, true), (55, true), (55, false), (37, false)]);
        assert_eq!(pressed.last(), Some(&(66, false)));
        assert_eq!(keys(&keyboard(LATIN), "return", lock), [(36, true), (36, false)]);
    }

    #[test]
    fn a_letter_of_another_layout_is_found_and_one_of_none_is_where_it_lies() {
        let cyrillic_first = [0x6cd, 0x6ed, 0x76, 0x56];
        assert!(keys(&keyboard(cyrillic_first), "ctrl+v", 0).contains(&(55, true)));
        assert!(keys(&keyboard(cyrillic_first), "ctrl+v", 1 << 13).contains(&(55, true)));
        assert!(keys(&keyboard([0x6cd, 0x6ed, 0, 0]), "ctrl+v", 0).contains(&(55, true)));
        let other_latin = keyboard([0x6b, 0x4b, 0, 0]);
        assert!(matches!(other_latin.strokes(&"ctrl+v".parse().unwrap(), 0), Err(Refusal::NoSuchKey(_))));
    }

    #[test]
    fn a_symbol_of_the_upper_row_needs_shift() {
        let pressed = keys(&keyboard([0x26, 0x31, 0, 0]), "ctrl+1", 0);
        assert_eq!(pressed[..3], [(37, true), (50, true), (55, true)]);
    }

    #[test]
    fn locked_modifiers_are_not_held_ones() {
        let keyboard = keyboard(LATIN);
        assert_eq!(keyboard.held(u16::from(ModMask::LOCK | ModMask::M2)), None);
        assert_eq!(keyboard.held(u16::from(ModMask::CONTROL | ModMask::M2)), Some("Ctrl"));
        assert_eq!(keyboard.held(u16::from(KeyButMask::BUTTON1)), None);
    }
}
