//! A browser reports what is typed and pasted into its boxes.

use tests::chromium::{BoxText, Chromium};
use tests::clipboard::{Answer, ClipboardOwner, Selection};
use tests::hand::{Hand, key};
use tests::probe::until;
use tests::process::is_alive;
use tests::require;
use tests::xvfb::Xvfb;

#[test]
fn a_browser_reports_typed_and_pasted_messages_and_ends_with_its_owner() {
    require!("Xvfb", "chromium");
    let server = Xvfb::start();
    let mut browser = Chromium::start(server.display());
    let hand = Hand::on(server.display());
    assert_eq!(browser.boxes().len(), 8);

    hand.click(browser.boxes()[6].centre());
    hand.type_plainly("typed line");
    until(Chromium::REPORTED_WITHIN, "the draft is reported", || browser.draft(6) == "typed line");
    hand.chord(&[key::RETURN]);
    browser.wait_messages(1, Chromium::REPORTED_WITHIN);

    let text = "two lines\nwith a tab\t, \u{4f60}\u{597d} and \u{1f642}";
    let _owner = ClipboardOwner::own(server.display(), Selection::Clipboard, text, Answer::Whole);
    hand.click(browser.boxes()[1].centre());
    hand.chord(&[key::CTRL, key::V]);
    let mut step = 0;
    until(Chromium::REPORTED_WITHIN, "the paste is reported", || {
        // A browser that has not noticed the answer of the owner wakes up when the pointer moves.
        let (x, y) = browser.boxes()[1].centre();
        step = 1 - step;
        hand.move_to((x + step, y));
        browser.draft(1) == text
    });
    hand.chord(&[key::RETURN]);
    let messages = browser.wait_messages(2, Chromium::REPORTED_WITHIN);
    let expected = [(6, "typed line"), (1, text)].map(|(index, text)| BoxText { index, text: text.to_owned() });
    assert_eq!(messages, expected);

    let family = descendants(browser.process().pid());
    assert!(family.len() > 1, "{family:?}");
    drop(browser);
    // The children of the browser belong to init by now, which reaps them in its own time.
    until(Chromium::REPORTED_WITHIN, "all processes of the browser are gone", || {
        !family.iter().any(|pid| is_alive(*pid))
    });
}

/// A process and all its children, and theirs.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}
