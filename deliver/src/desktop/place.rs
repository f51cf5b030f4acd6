//! Where an agent's input box is, how keys are named, and which selection pastes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where to click: an absolute point, or a window's identity with an offset in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Absolute desktop coordinates, or the offset inside `window` when that is given. Negative coordinates are the
    /// monitors left of or above the first. With a window and no point: its middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<(i32, i32)>,
    /// The window's identity; all that is given must fit exactly one window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowIdentity>,
}

/// What tells one window from the others. Every given part must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowIdentity {
    /// Its class or instance name (X11: WM_CLASS), in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its title, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// Which X11 selection a paste key reads. Elsewhere there is but one clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// What Ctrl+V pastes.
    #[default]
    Clipboard,
    /// What Shift+Insert or the middle button pastes in xterm.
    Primary,
}

/// A key with modifiers, such as `ctrl+v`, `ctrl+shift+v`, `shift+insert`, `return`, `ctrl+return`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chord {
    /// Control is held.
    pub ctrl: bool,
    /// Shift is held.
    pub shift: bool,
    /// Alt is held.
    pub alt: bool,
    /// The key itself, by its lower-case name: `v`, `insert`, `return`.
    pub key: String,
}

/// Keys that a chord can name beside single letters and digits.
const NAMED_KEYS: [&str; 4] = ["insert", "return", "tab", "space"];

impl FromStr for Chord {
    type Err = BadChord;
    fn from_str(text: &str) -> Result<Self, BadChord> {
        let lower = text.to_ascii_lowercase();
        let mut chord = Self { ctrl: false, shift: false, alt: false, key: String::new() };
        let mut parts = lower.split('+').peekable();
        while let Some(part) = parts.next() {
            match (part, parts.peek().is_some()) {
                ("ctrl" | "control", true) => chord.ctrl = true,
                ("shift", true) => chord.shift = true,
                ("alt", true) => chord.alt = true,
                ("enter", false) => chord.key = "return".into(),
                (key, false) if NAMED_KEYS.contains(&key) || is_plain_key(key) => chord.key = key.into(),
                _ => return Err(BadChord(text.to_owned())),
            }
        }
        Ok(chord)
    }
}

fn is_plain_key(key: &str) -> bool {
    matches!(key.as_bytes(), [b'a'..=b'z' | b'0'..=b'9'])
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "ctrl+"), (self.shift, "shift+"), (self.alt, "alt+")] {
            if held {
                f.write_str(name)?;
            }
        }
        f.write_str(&self.key)
    }
}

impl TryFrom<String> for Chord {
    type Error = BadChord;
    fn try_from(text: String) -> Result<Self, BadChord> {
        text.parse()
    }
}

impl From<Chord> for String {
    fn from(chord: Chord) -> Self {
        chord.to_string()
    }
}

/// A text that names no chord.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key chord; write for example ctrl+v, ctrl+shift+v, shift+insert or return")]
pub struct BadChord(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_read_back_as_written() {
        for text in ["ctrl+v", "ctrl+shift+v", "shift+insert", "return", "ctrl+return"] {
            assert_eq!(text.parse::<Chord>().unwrap().to_string(), text);
        }
        assert_eq!("Ctrl+Enter".parse::<Chord>().unwrap().to_string(), "ctrl+return");
        for bad in ["", "ctrl", "ctrl+", "v+ctrl", "ctrl+vv", "hyper+v"] {
            assert!(bad.parse::<Chord>().is_err(), "{bad}");
        }
    }
}
