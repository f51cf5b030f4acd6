//! What is sent, and what must arrive: known from how the texts are made, not from the code that cleans them.

use tests::messages::{LONGEST, Messages};

/// A message as it is given to a sender, and as it must stand in the agent's input box.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// With line ends of all kinds, escape sequences and control characters.
    pub(crate) given: String,
    /// Without.
    pub(crate) expected: String,
}

/// What is put between the characters of a text, and must be gone: the end of a bracketed paste first.
const NOISE: [&str; 6] = ["\x1b[201~", "\x1b[200~", "\x1b[1;31m", "\x1b]0;title\x07", "\u{9b}31m", "\x07"];

/// An endless row of texts: the same seed gives the same row. The first is one byte long, the second 20 KiB.
pub(crate) fn texts(seed: u64) -> impl Iterator<Item = Text> {
    let extremes = ["x".to_owned(), Messages::new(seed).of_length(LONGEST)];
    extremes
        .into_iter()
        .chain(Messages::new(seed))
        .enumerate()
        .map(|(nth, expected)| Text { given: with_noise(&expected, nth), expected })
}

/// Every third text as it is; the others with noise in the middle, other line ends, and newlines at the end.
fn with_noise(clean: &str, nth: usize) -> String {
    if nth.is_multiple_of(3) {
        return clean.to_owned();
    }
    let at = clean.char_indices().map(|(at, _)| at).nth(clean.chars().count() / 2).unwrap_or_default();
    let (before, after) = clean.split_at(at);
    let line_end = if nth.is_multiple_of(2) { "\r\n" } else { "\r" };
    let given = [before, NOISE[nth / 3 % NOISE.len()], after].concat();
    given.replace('\n', line_end) + "\r\n\n"
}

/// Where two texts begin to differ, in few words: they may be long.
pub(crate) fn first_difference(expected: &str, arrived: &str) -> String {
    let same = expected.chars().zip(arrived.chars()).take_while(|(expected, arrived)| expected == arrived).count();
    let around = |text: &str| text.chars().skip(same).take(30).collect::<String>();
    let (sent, got) = (around(expected), around(arrived));
    format!("{} bytes sent, {} arrived; character {same}: {sent:?} became {got:?}", expected.len(), arrived.len())
}

#[test]
fn the_row_has_noise_to_clean_and_texts_of_both_extremes() {
    let row: Vec<Text> = texts(1).take(80).collect();
    assert_eq!((row[0].expected.len(), row[1].expected.len()), (1, LONGEST));
    for noise in NOISE {
        assert!(row.iter().any(|text| text.given.contains(noise)), "{noise:?}");
    }
    for text in &row {
        assert!(!text.expected.contains(['\x1b', '\r', '\x07', '\u{9b}']), "{:?}", text.expected);
    }
}
