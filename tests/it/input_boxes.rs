//! Several input boxes in one window: to the X server one window with one focus. Where its program tells which of them has
//! the focus, the box is checked; what is not checked is not claimed.

use deliver::{Receipt, State};
use tests::{accessibility_bus::LAUNCHER, chromium::Chromium, probe::until, require, text_windows::Toolkit};

use crate::desktop_delivery::{program::Root, stage::Stage};

/// What a receipt says of a box that was checked.
const CHECKED: &str = "and there to the input box at the point";

/// What a receipt says of one that was not.
const NOT_CHECKED: &str = "is not checked";

fn send(root: &Root, agent: usize, text: &str) -> (Receipt, Option<i32>) {
    let name = format!("Agent-{agent}");
    let output = root.run(&["-q", "--json", "send", "-a", &name, "--message-file", "-", "--timeout", "30s"], text);
    let said = String::from_utf8_lossy(&output.stdout);
    let receipt = serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    (receipt, output.status.code())
}

fn says(receipt: &Receipt, what: &str) -> bool {
    receipt.evidence.iter().any(|evidence| evidence.seen.contains(what))
}

fn code(receipt: &Receipt) -> &str {
    receipt.reason.as_ref().map_or("", |reason| reason.code.as_ref())
}

#[test]
fn a_box_is_checked_where_its_program_tells() {
    require!("Xvfb", "python3-gi", "dbus-daemon", "dbus-send", LAUNCHER);
    let stage = Stage::texts_that_tell(Toolkit::Gtk);
    let root = stage.root(&stage.config());
    for agent in 1..=4 {
        let (receipt, exit) = send(&root, agent, "to one box of two");
        assert_eq!((receipt.state, exit), (State::Submitted, Some(0)), "{receipt}");
        assert!(says(&receipt, CHECKED), "{:?}", receipt.evidence);
    }
}

#[test]
fn a_box_is_not_claimed_where_nobody_tells() {
    require!("Xvfb", "python3-gi");
    let stage = Stage::texts(Toolkit::Gtk, false);
    let (receipt, exit) = send(&stage.root(&stage.config()), 1, "to one box of two");
    assert_eq!((receipt.state, exit), (State::Submitted, Some(0)), "{receipt}");
    assert!(says(&receipt, NOT_CHECKED) && !says(&receipt, CHECKED), "{:?}", receipt.evidence);
}

/// The configuration of each driver, and an agent of its own.
const DRIVERS: [(&str, usize); 2] = [("verified", 2), ("portable", 3)];

fn root_by(driver: &str, stage: &Stage) -> Root {
    stage.root(&format!("desktop.driver = \"{driver}\"\n{}", stage.config()))
}

/// To the X server all is well: the window has the focus, and its client will fetch the text.
#[test]
fn a_page_that_moves_its_focus_away_gets_no_text() {
    require!("Xvfb", "chromium", "dbus-daemon", "dbus-send", LAUNCHER);
    let moves = "for (const at of [1, 2]) boxes[at].addEventListener('focus', () => boxes[5].focus());";
    let mut stage = Stage::browser_that_tells(moves);
    for (driver, agent) in DRIVERS {
        let (receipt, exit) = send(&root_by(driver, &stage), agent, "must not come into the sixth box");
        assert_eq!(
            (receipt.state, code(&receipt), exit),
            (State::Rejected, "another_box", Some(4)),
            "{driver}: {receipt}"
        );
    }
    let (receipt, exit) = send(&stage.root(&stage.config()), 4, "to the fourth");
    assert_eq!((receipt.state, exit), (State::Submitted, Some(0)), "{receipt}");
    assert!(says(&receipt, CHECKED), "{:?}", receipt.evidence);
    let browser = stage.chromium();
    let messages = browser.wait_messages(1, Chromium::REPORTED_WITHIN);
    assert_eq!(messages.iter().map(|message| message.index).collect::<Vec<_>>(), [3]);
    assert_eq!(browser.draft(5), "");
}

#[test]
fn a_page_that_moves_its_focus_after_the_paste_gets_no_enter() {
    require!("Xvfb", "chromium", "dbus-daemon", "dbus-send", LAUNCHER);
    let moves = "for (const at of [1, 2]) boxes[at].addEventListener('input', () => boxes[5].focus());";
    let mut stage = Stage::browser_that_tells(moves);
    for (driver, agent) in DRIVERS {
        let (receipt, exit) = send(&root_by(driver, &stage), agent, "stays unsent");
        assert_eq!(
            (receipt.state, code(&receipt), exit),
            (State::Uncertain, "another_box", Some(5)),
            "{driver}: {receipt}"
        );
        let browser = stage.chromium();
        until(Chromium::REPORTED_WITHIN, "the draft is reported", || browser.draft(agent - 1) == "stays unsent");
        assert_eq!(browser.messages(), []);
    }
}
