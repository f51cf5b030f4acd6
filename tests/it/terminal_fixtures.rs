//! A terminal's editor takes a paste as it is.

use tests::clipboard::{Answer, ClipboardOwner, Selection};
use tests::hand::{Hand, key};
use tests::messages::{LONGEST, Messages};
use tests::probe::{READY_WITHIN, until};
use tests::require;
use tests::xterm::{Xterm, XtermPaste};
use tests::xvfb::Xvfb;

/// Pastes `text` once and submits it; returns what the editor wrote down.
fn pasted(paste: XtermPaste, text: &str) -> String {
    let server = Xvfb::start();
    let terminal = Xterm::start(server.display(), paste);
    let hand = Hand::on(server.display());
    let (selection, keys) = match paste {
        XtermPaste::CtrlShiftV => (Selection::Clipboard, &[key::CTRL, key::SHIFT, key::V][..]),
        XtermPaste::ShiftInsertPrimary => (Selection::Primary, &[key::SHIFT, key::INSERT][..]),
        XtermPaste::ShiftInsertClipboard => (Selection::Clipboard, &[key::SHIFT, key::INSERT][..]),
    };
    // Without a window manager the keys follow the pointer.
    hand.move_to(terminal.centre());
    let _owner = ClipboardOwner::own(server.display(), selection, text, Answer::Whole);
    hand.chord(keys);
    until(READY_WITHIN, "the paste stands in the draft", || {
        terminal.record().draft().ends_with(&text[text.len() - 1..])
    });
    assert!(terminal.record().messages().is_empty(), "a line of the paste was submitted");
    hand.chord(&[key::RETURN]);
    let messages = terminal.record().wait_messages(1, READY_WITHIN);
    assert_eq!(messages.len(), 1);
    messages[0].clone()
}

#[test]
fn twenty_kibibytes_of_everything_arrive_as_they_are() {
    require!("Xvfb", "xterm");
    let text = Messages::new(11).of_length(LONGEST) + "\tend\n\n.";
    let arrived = pasted(XtermPaste::CtrlShiftV, &text);
    assert!(arrived == text, "{}", first_difference(&text, &arrived));
}

#[test]
fn shift_insert_pastes_what_the_terminal_was_set_to() {
    require!("Xvfb", "xterm");
    for paste in [XtermPaste::ShiftInsertPrimary, XtermPaste::ShiftInsertClipboard] {
        assert_eq!(pasted(paste, "two\nlines\tand a tab."), "two\nlines\tand a tab.", "{paste:?}");
    }
}

#[test]
fn a_terminal_takes_the_end_of_a_paste_out_of_a_text() {
    require!("Xvfb", "xterm");
    let arrived = pasted(XtermPaste::CtrlShiftV, "before\u{1b}[201~\nafter.");
    assert_eq!(arrived, "before [201~\nafter.");
}

#[test]
fn stray_keys_stand_in_the_draft() {
    require!("Xvfb", "xterm");
    let server = Xvfb::start();
    let terminal = Xterm::start(server.display(), XtermPaste::CtrlShiftV);
    let hand = Hand::on(server.display());
    hand.move_to(terminal.centre());
    hand.type_plainly("stray");
    hand.chord(&[key::CTRL, key::V]);
    until(READY_WITHIN, "the draft has all keys", || terminal.record().draft() == "stray\u{16}");
    assert!(terminal.record().messages().is_empty());
}

fn first_difference(sent: &str, arrived: &str) -> String {
    let same = sent.chars().zip(arrived.chars()).take_while(|(sent, arrived)| sent == arrived).count();
    let around = |text: &str| text.chars().skip(same).take(20).collect::<String>();
    let (expected, got) = (around(sent), around(arrived));
    format!("{} bytes sent, {} arrived; character {same}: {expected:?} became {got:?}", sent.len(), arrived.len())
}
