//! Keys: what is locked.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::KeyError;

/// Longest key in bytes. Percent-coding can triple it, and a file name may have 255 bytes: 80 * 3 = 240 leaves
/// room for the suffixes `.lock` and the inner gate's mark.
pub const KEY_BYTES_MAX: usize = 80;

/// Separates a key from the mark of its inner gate. Users cannot write it: keys refuse control characters.
const INNER_MARK: char = '\u{1}';

/// Names what is locked: 1 to [`KEY_BYTES_MAX`] bytes of UTF-8 without control characters.
///
/// Two keys are the same lock exactly when they are equal, on every backend.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockKey(String);

impl LockKey {
    /// Checks and takes a key.
    ///
    /// # Errors
    /// [`KeyError`] says which rule the text breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong { bytes: text.len() });
        }
        match text.chars().find(|c| c.is_control()) {
            Some(control) => Err(KeyError::Control { control }),
            None => Ok(Self(text)),
        }
    }

    /// The key for a text that a program made, which may be too long for one or hold what keys do not: then it is what fits,
    /// told apart from others by the text's digest.
    #[must_use]
    pub fn for_text(text: &str) -> Self {
        Self::new(text).unwrap_or_else(|_| {
            let digest = Sha256::digest(text.as_bytes());
            let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let fits: String = text.chars().filter(char::is_ascii_graphic).take(KEY_BYTES_MAX - 33).collect();
            Self(format!("{fits}-{digest}"))
        })
    }

    /// The key as its user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the inner gate of leases on this key: those who inherit one lease exclude each other there.
    #[must_use]
    pub fn inner_gate(&self) -> Self {
        Self(format!("{}{INNER_MARK}", self.0))
    }

    /// The key as a file name stem, the same for no two keys: `[a-z0-9._-]` stay, all else (upper case too, for
    /// file systems that fold case, and a leading dot) is percent-coded.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let mut stem = String::with_capacity(self.0.len());
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => stem.push(byte as char),
                b'.' if at > 0 => stem.push('.'),
                _ => stem.push_str(&format!("%{byte:02X}")),
            }
        }
        stem
    }
}

impl LockKey {
    /// The key whose [`LockKey::file_stem`] this is; `None` for a text that is no key's, and for inner gates.
    #[must_use]
    pub fn from_file_stem(stem: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(stem.len());
        let mut rest = stem.as_bytes();
        while let Some((&byte, behind)) = rest.split_first() {
            let coded = (byte == b'%').then(|| behind.split_at_checked(2)).flatten();
            rest = match coded {
                Some((digits, behind)) => {
                    bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                    behind
                }
                None => {
                    bytes.push(byte);
                    behind
                }
            };
        }
        let key = Self::new(String::from_utf8(bytes).ok()?).ok()?;
        // Only the one spelling that we write ourselves: `%61` is not a second name for `a`.
        (key.file_stem() == stem).then_some(key)
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim_end_matches(INNER_MARK) {
            outer if outer.len() == self.0.len() => f.write_str(outer),
            outer => write!(f, "{outer} (inner gate)"),
        }
    }
}

/// As its `Display`, quoted: the mark of an inner gate is no text for a log.
impl fmt::Debug for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl TryFrom<String> for LockKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl From<LockKey> for String {
    fn from(key: LockKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_key_is_told_apart_from_others_by_its_key() {
        assert_eq!(LockKey::for_text("display/:1").as_str(), "display/:1");
        let long = "h".repeat(100);
        let (one, other) = (LockKey::for_text(&format!("{long}:1")), LockKey::for_text(&format!("{long}:2")));
        assert_ne!(one, other);
        for key in [one, other, LockKey::for_text("a\nb"), LockKey::for_text("")] {
            assert_eq!(LockKey::new(key.as_str()).as_ref(), Ok(&key));
        }
    }

    #[test]
    fn file_stems_are_injective_where_case_folds() {
        let stems =
            ["a", "A", "%41", ".a", "a.b", "a/b", "a%2Fb", "\u{e9}"].map(|k| LockKey::new(k).unwrap().file_stem());
        let folded: std::collections::HashSet<_> = stems.iter().map(|s| s.to_lowercase()).collect();
        assert_eq!(folded.len(), stems.len(), "{stems:?}");
        assert!(stems.iter().all(|s| !s.starts_with('.') && !s.contains('/')));
    }

    #[test]
    fn file_stems_read_back() {
        for key in ["a", "A", ".a", "desktop/host/:0", "\u{e9}", "100%"].map(|k| LockKey::new(k).unwrap()) {
            assert_eq!(LockKey::from_file_stem(&key.file_stem()), Some(key.clone()));
            assert_eq!(LockKey::from_file_stem(&key.inner_gate().file_stem()), None);
        }
        for stem in ["", "A", "%61", "%6", "%zz", "%+1", "%FF", ".a"] {
            assert_eq!(LockKey::from_file_stem(stem), None, "{stem}");
        }
    }

    #[test]
    fn rejects_what_breaks_a_rule() {
        assert!(matches!(LockKey::new(""), Err(KeyError::Empty)));
        assert!(matches!(LockKey::new("x".repeat(81)), Err(KeyError::TooLong { bytes: 81 })));
        assert!(matches!(LockKey::new("a\u{1}"), Err(KeyError::Control { .. })));
    }
}
