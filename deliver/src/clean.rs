//! Cleaning of texts: what would steer a terminal or end a bracketed paste early does not reach the target.

use std::{fmt, iter::Peekable, str::Chars};

use serde::{Deserialize, Serialize};

const ESC: char = '\x1b';
const BEL: char = '\x07';
/// The one-character forms of `ESC [` and `ESC \`.
const CSI: char = '\u{9b}';
const ST: char = '\u{9c}';

/// What cleaning took out, so that the sender can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cleaned {
    /// Whole escape sequences.
    pub escape_sequences: usize,
    /// Other control characters.
    pub control_characters: usize,
}

impl Cleaned {
    /// Whether nothing was taken out. Line ends made LF and trailing newlines do not count.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.escape_sequences == 0 && self.control_characters == 0
    }
}

impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { escape_sequences, control_characters } = self;
        write!(f, "removed: {escape_sequences} escape sequences, {control_characters} other control characters")
    }
}

/// The clean form of `raw`: CRLF and CR become LF; LF and TAB stay; escape sequences go as a whole, other C0 and C1
/// controls and DEL one by one; trailing newlines go.
pub(crate) fn clean(raw: &str) -> (String, Cleaned) {
    let mut text = String::with_capacity(raw.len());
    let mut cleaned = Cleaned::default();
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => {
                rest.next_if_eq(&'\n');
                text.push('\n');
            }
            '\n' | '\t' => text.push(c),
            ESC => {
                cleaned.escape_sequences += 1;
                skip_after_escape(&mut rest);
            }
            CSI => {
                cleaned.escape_sequences += 1;
                skip_control_sequence(&mut rest);
            }
            c if begins_string(c) => {
                cleaned.escape_sequences += 1;
                skip_string(&mut rest);
            }
            c if c.is_control() => cleaned.control_characters += 1,
            c => text.push(c),
        }
    }
    text.truncate(text.trim_end_matches('\n').len());
    (text, cleaned)
}

/// The one-character forms of DCS, SOS, OSC, PM and APC.
const fn begins_string(c: char) -> bool {
    matches!(c, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}')
}

fn skip_after_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        // Intermediates, then one final character; a lone ESC before anything else is only itself.
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Parameters, intermediates and the final character, as far as they are there.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| ('0'..='?').contains(c)).is_some() {}
    while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// A string with its end. One that is not ended before the next control character loses only its introducer: without
/// that, its text steers nothing, and a stray introducer must not swallow the rest of a message.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    loop {
        match ahead.next() {
            Some(BEL | ST) => break,
            Some(ESC) if ahead.next_if_eq(&'\\').is_some() => break,
            None => return,
            Some(c) if c.is_control() => return,
            Some(_) => {}
        }
    }
    *rest = ahead;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_whole_and_the_rest_arrives_exactly() {
        for (raw, clean_text, escapes, controls) in [
            ("a\r\nb\rc\n\n", "a\nb\nc", 0, 0),
            ("\ta\n b ", "\ta\n b ", 0, 0),
            ("red \x1b[1;31mtext\x1b[0m", "red text", 2, 0),
            ("paste\x1b[201~; rm -rf /", "paste; rm -rf /", 1, 0),
            ("8bit\u{9b}201~end", "8bitend", 1, 0),
            ("t\x1b]0;title\x07x\x1b]8;;u\x1b\\y\u{9d}0;z\u{9c}.", "txy.", 3, 0),
            ("open\x1b]never ended", "opennever ended", 1, 0),
            ("open\x1b]first line\nsecond", "openfirst line\nsecond", 1, 0),
            ("\x1b(Bx\x1bcy\x1b\u{e9}", "xy\u{e9}", 3, 0),
            ("a\x08\x7f\u{85}b\x07", "ab", 0, 4),
            ("nested \x1b\x1b[31[200~", "nested 200~", 2, 0),
            ("emoji \u{1f600} \u{4f60}\u{597d}", "emoji \u{1f600} \u{4f60}\u{597d}", 0, 0),
        ] {
            let expected = Cleaned { escape_sequences: escapes, control_characters: controls };
            assert_eq!(clean(raw), (clean_text.to_owned(), expected), "{raw:?}");
        }
    }

    #[test]
    fn no_control_survives_whatever_comes() {
        // Every string of up to four of these is tried: the characters that begin, continue and end sequences.
        let alphabet = [ESC, '[', ']', '2', '~', ' ', BEL, '\\', CSI, ST, '\u{9d}', '\n', 'x'];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|t| alphabet.iter().map(move |c| format!("{t}{c}"))).collect();
            for text in &texts {
                let (once, _) = clean(text);
                assert!(!once.contains(|c: char| c.is_control() && c != '\n'), "{text:?} -> {once:?}");
                assert_eq!(clean(&once), (once.clone(), Cleaned::default()), "{text:?}");
            }
        }
    }
}
