//! Messages to deliver in tests: the odd ones by name, and any number of varied ones from a seed.

/// The longest message of [`Messages`], in bytes.
pub const LONGEST: usize = 20 * 1024;

/// Pieces that messages are made of; each has tripped some way of delivering text.
const PIECES: &[&str] = &[
    "a",
    "Z",
    "0",
    " ",
    "word ",
    "two  spaces",
    "\t",
    "\n",
    "\n\n",
    "\"double\" ",
    "'single' ",
    "`tick` ",
    "$(echo no) ",
    "${HOME} ",
    "back\\slash ",
    "#{pane_id} ",
    ";",
    "%s ",
    "-n ",
    "~/",
    "!!",
    "\u{e4}\u{f6}\u{fc}\u{df} ",
    "\u{4f60}\u{597d}\u{5417} ",
    "\u{3053}\u{3093}\u{306b}\u{3061}\u{306f} ",
    "\u{1f642}",
    "\u{1f469}\u{200d}\u{1f4bb} ",
    "e\u{301} ",
    "\u{20ac}5 ",
];

/// An endless row of messages: the same seed gives the same row, and no two messages of a row are equal.
///
/// They are valid text of 1 byte to [`LONGEST`] bytes with several lines, tabs, quotes, CJK and emoji, without control
/// characters other than tab and line feed, and neither begin nor end with a line feed: what is sent is what must arrive.
#[derive(Debug, Clone)]
pub struct Messages {
    state: u64,
    made: u64,
}

impl Messages {
    /// Starts the row of a seed.
    pub const fn new(seed: u64) -> Self {
        // A state of zero would stay zero for ever.
        Self { state: (seed ^ 0x9e37_79b9_7f4a_7c15) | 1, made: 0 }
    }

    /// Makes one message of exactly `bytes` bytes (at least 1), of all kinds of pieces.
    pub fn of_length(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        while text.len() < bytes {
            let piece = PIECES[self.below(PIECES.len())];
            let at_an_end = text.is_empty() || text.len() + piece.len() >= bytes;
            if text.len() + piece.len() > bytes || (at_an_end && piece.trim() != piece) {
                text.push(char::from(b'a' + self.below(26) as u8));
            } else {
                text.push_str(piece);
            }
        }
        text
    }

    fn below(&mut self, bound: usize) -> usize {
        // xorshift64: small, and good enough to vary texts.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as usize % bound
    }
}

impl Iterator for Messages {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // Most are short, as messages are; a few are long. The number makes each of a row its own.
        let bytes = match self.made % 8 {
            0 => 1 + self.below(8),
            7 => LONGEST / 2 + self.below(LONGEST / 2 - 32),
            _ => 1 + self.below(400),
        };
        let number = self.made;
        self.made += 1;
        Some(format!("{number}:{}", self.of_length(bytes)))
    }
}

/// One message with a name for failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What is odd about it.
    pub name: &'static str,
    /// The message as a sender gives it, before any cleaning.
    pub text: String,
}

/// Messages that are odd in one way each. Some must be cleaned or refused by a sender: what arrives is for it to say.
pub fn odd_ones() -> Vec<Named> {
    let named = |name, text: &str| Named { name, text: text.to_owned() };
    vec![
        named("one byte", "x"),
        named("one space inside", "a b"),
        named("two lines", "first\nsecond"),
        named("an empty line inside", "first\n\nthird"),
        named("a tab inside", "a\tb"),
        named("leading spaces", "   indented"),
        named("leading tab", "\tindented"),
        named("trailing newline", "text\n"),
        named("many trailing newlines", "text\n\n\n"),
        named("leading newline", "\ntext"),
        named("carriage return and line feed", "first\r\nsecond\r\n"),
        named("a bare carriage return", "first\rsecond"),
        named("emoji", "\u{1f642} \u{1f469}\u{200d}\u{1f4bb}"),
        named("cjk", "\u{4f60}\u{597d}\u{5417}"),
        named("combining accent", "e\u{301}"),
        named("right to left", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}"),
        named("quotes", "'\"`\"'"),
        named("shell", "$(touch /tmp/never); `id` && ${HOME} | cat > /dev/null #"),
        named("tmux format", "#{pane_pid} #(id) ;"),
        named("looks like an option", "-rf --help"),
        named("key names", "Enter C-c ^C \\n"),
        named("end of bracketed paste", "before\u{1b}[201~rm -rf x\n"),
        named("start of bracketed paste", "before\u{1b}[200~after"),
        named("colour", "\u{1b}[31mred\u{1b}[0m"),
        named("window title", "\u{1b}]0;title\u{7}text"),
        named("c1 control", "a\u{9b}31mb"),
        named("bell and backspace", "a\u{7}b\u{8}c"),
        named("delete", "a\u{7f}b"),
        named("end of transmission", "a\u{4}b"),
        named("byte order mark", "\u{feff}text"),
        Named { name: "a long line", text: "0123456789abcdef".repeat(LONGEST / 16) },
        Named { name: "twenty kibibytes of everything", text: Messages::new(20).of_length(LONGEST) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_gives_one_row_of_messages_that_all_differ() {
        let first: Vec<String> = Messages::new(7).take(200).collect();
        let again: Vec<String> = Messages::new(7).take(200).collect();
        let other: Vec<String> = Messages::new(8).take(200).collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 200);
    }

    #[test]
    fn messages_hold_what_they_promise() {
        let row: Vec<String> = Messages::new(1).take(200).collect();
        for message in &row {
            assert!((1..=LONGEST).contains(&message.len()), "{} bytes", message.len());
            assert_eq!(message.trim(), message);
            assert!(message.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
        for piece in ["\n", "\t", "\u{1f642}", "\u{4f60}", "\""] {
            assert!(row.iter().any(|message| message.contains(piece)), "no message has {piece:?}");
        }
    }

    #[test]
    fn a_length_is_met_exactly() {
        for bytes in [1, 2, 3, 17, 4095, 4096, LONGEST] {
            assert_eq!(Messages::new(bytes as u64).of_length(bytes).len(), bytes);
        }
    }
}
