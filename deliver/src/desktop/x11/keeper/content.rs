//! What a selection can hold: the same thing in several formats.

use std::sync::Arc;

use x11rb::protocol::xproto::{Atom, AtomEnum};

use super::super::atoms::Atoms;

/// One selection's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) formats: Vec<Format>,
}

/// One format of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// What requestors call it.
    pub(super) target: Atom,
    /// What the answer is of.
    pub(super) kind: Atom,
    /// Bits of one element: 8, 16 or 32.
    pub(super) bits: u8,
    pub(super) bytes: Arc<[u8]>,
    /// Whether reading it is reading the text.
    pub(super) is_text: bool,
}

impl Content {
    /// A message. Every advertised format is served: targets that ask for one that is refused paste nothing.
    pub(super) fn of_text(text: &str, atoms: &Atoms) -> Self {
        let utf8: Arc<[u8]> = text.as_bytes().into();
        let format =
            |target, kind, bytes: &Arc<[u8]>| Format { target, kind, bits: 8, bytes: Arc::clone(bytes), is_text: true };
        let mut formats = vec![
            format(atoms.UTF8_STRING, atoms.UTF8_STRING, &utf8),
            format(atoms.TEXT_PLAIN_UTF8, atoms.TEXT_PLAIN_UTF8, &utf8),
            format(atoms.TEXT, atoms.UTF8_STRING, &utf8),
        ];
        // STRING is Latin-1. Text that does not fit into it is not offered as STRING, rather than mangled.
        if let Some(latin1) = latin1(text) {
            let string = AtomEnum::STRING.into();
            formats.push(format(string, string, &latin1.into()));
        }
        // Clipboard managers that know it do not keep the message in their history.
        let hint: Arc<[u8]> = b"secret".as_slice().into();
        let kind = AtomEnum::STRING.into();
        formats.push(Format { target: atoms.PASSWORD_HINT, kind, bits: 8, bytes: hint, is_text: false });
        Self { formats }
    }

    pub(super) fn find(&self, target: Atom) -> Option<&Format> {
        self.formats.iter().find(|format| format.target == target)
    }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin1_is_exact_or_nothing() {
        assert_eq!(latin1("a\u{e4}\n\t"), Some(b"a\xe4\n\t".to_vec()));
        assert_eq!(latin1("\u{20ac}"), None);
    }
}
