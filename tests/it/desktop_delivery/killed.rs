//! Senders that are killed between paste and Enter: the record says so, nothing is sent twice, and nobody hangs.

use deliver::{MessageId, Receipt, State};
use tests::{
    hand::{Hand, key},
    probe::{READY_WITHIN, until},
    process::Process,
    require,
};

use super::{program::Root, stage::Stage};

/// What the program logs, with `-v`, when it has pressed the paste key.
const PASTED: &str = "step=pasting";

/// Starts a sender and kills it once `condition` holds.
fn kill_sender(root: &Root, agent: &str, text: &str, mut condition: impl FnMut(&Process) -> bool) {
    let arguments = ["-v", "send", "-a", agent, "-m", text];
    let mut sender = Process::start(root.command(&arguments));
    until(READY_WITHIN, "the sender has pasted and not pressed Enter", || {
        assert!(sender.runs(), "the sender ended: {}", sender.said());
        condition(&sender)
    });
    sender.kill();
}

/// The killed sender's message is on record as it must be, and the next sender, to another agent, is not held up.
fn next_sender_is_fine(root: &Root, agent: &str) {
    died(root, agent);
    assert_eq!(send(root, "Agent-2", "the next").state, State::Submitted);
}

/// The id of the killed sender's message, which is on record as it must be.
fn died(root: &Root, agent: &str) -> MessageId {
    let died = root.history().pop().expect("a delivery on record");
    assert_eq!((died.agent.as_str(), died.state, died.submitting), (agent, State::Uncertain, false));
    assert!(died.receipt.is_none(), "{:?}", died.receipt);
    died.id
}

fn send(root: &Root, agent: &str, text: &str) -> Receipt {
    let sent = root.run(&["--json", "send", "-a", agent, "-m", text], "");
    let receipt: Receipt = serde_json::from_slice(&sent.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&sent.stderr)));
    assert_eq!(sent.status.code(), Some(if receipt.state == State::Submitted { 0 } else { 5 }), "{receipt:?}");
    receipt
}

/// The receipt of a message whose Enter may have submitted the text of `earlier` too.
fn is_told(receipt: &Receipt, earlier: &MessageId) {
    assert_eq!((receipt.state, receipt.submitted), (State::Uncertain, true), "{receipt:?}");
    let reason = receipt.reason.as_ref().expect("a reason");
    assert_eq!(reason.code, "unsent_text");
    assert!(reason.message.contains(earlier.as_str()), "{reason:?}");
}

/// The stage's agents, and `Held`: the first of them again, with a pause before Enter that is long enough to be killed in.
fn config_with_pause(stage: &Stage, base: &str) -> String {
    let (x, y) = stage.centres()[0];
    let pause = format!("[profiles.paused]\nbase = \"{base}\"\nsettle_ms = 60000\n");
    stage.config() + &pause + &format!("[agents.Held]\npoint = [{x}, {y}]\nprofile = \"paused\"\n")
}

#[test]
fn killed_before_enter_a_sender_leaves_its_text_unsent() {
    require!("Xvfb");
    let mut stage = Stage::windows(false);
    let root = Root::new(stage.display(), &config_with_pause(&stage, "chat"));
    kill_sender(&root, "Held", "of the dead", |_| stage.drafts() == [(0, "of the dead".to_owned())]);
    next_sender_is_fine(&root, "Held");
    let arrived = stage.arrived(1);
    assert_eq!(arrived.unsent, ["of the dead"]);
    assert_eq!(arrived.submitted[1], ["the next"]);
    assert_eq!(arrived.submitted.concat().len(), 1);
}

/// Under another name and from another root.
#[test]
fn whoever_sends_next_to_the_window_of_a_killed_sender_is_told() {
    require!("Xvfb");
    for driver in ["", "desktop.driver = \"portable\"\n"] {
        let mut stage = Stage::windows(false);
        let config = driver.to_owned() + &config_with_pause(&stage, "chat");
        let roots = [0, 1].map(|_| Root::new(stage.display(), &config));
        kill_sender(&roots[0], "Held", "of the dead", |_| stage.drafts() == [(0, "of the dead".to_owned())]);
        is_told(&send(&roots[1], "Agent-1", ", glued"), &died(&roots[0], "Held"));
        assert_eq!(send(&roots[0], "Agent-1", "clean").state, State::Submitted);
        let arrived = stage.arrived(2);
        assert_eq!(arrived.submitted[0], ["of the dead, glued", "clean"]);
        assert_eq!(arrived.unsent, [""; 0]);
    }
}

#[test]
fn killed_before_the_fetch_a_sender_leaves_its_clipboard_behind() {
    require!("Xvfb");
    let mut stage = Stage::windows(false);
    let root = Root::new(stage.display(), &stage.config());
    assert_eq!(send(&root, "Agent-1", "takes the focus").state, State::Submitted);
    // It cannot ask for the text before the sender is dead.
    stage.windows_process().stop();
    kill_sender(&root, "Agent-1", "of the dead", |sender| sender.said().contains(PASTED));
    stage.windows_process().go_on();
    until(READY_WITHIN, "the target has fetched the dead sender's text", || {
        stage.drafts() == [(0, "of the dead".to_owned())]
    });
    next_sender_is_fine(&root, "Agent-1");
    let arrived = stage.arrived(2);
    assert_eq!(arrived.unsent, ["of the dead"]);
    assert_eq!(
        (arrived.submitted[0].as_slice(), arrived.submitted[1].as_slice()),
        (&["takes the focus".to_owned()][..], &["the next".to_owned()][..])
    );
}

#[test]
fn a_browser_does_not_hang_when_its_sender_is_killed() {
    require!("Xvfb", "chromium");
    let mut stage = Stage::browser();
    let root = Root::new(stage.display(), &config_with_pause(&stage, "chromium"));
    kill_sender(&root, "Held", "of the dead", |_| stage.drafts() == [(0, "of the dead".to_owned())]);
    // The browser still finds the dead sender's text when it asks for the clipboard.
    let hand = Hand::on(stage.display());
    hand.chord(&[key::CTRL, key::V]);
    let twice = "of the deadof the dead".to_owned();
    until(READY_WITHIN, "the browser pastes once more", || stage.drafts() == [(0, twice.clone())]);
    // Nothing tells whether another point of the same window is in another box, until Enter was pressed there.
    let earlier = died(&root, "Held");
    is_told(&send(&root, "Agent-2", "the next"), &earlier);
    assert_eq!(send(&root, "Agent-2", "one more").state, State::Submitted);
    let arrived = stage.arrived(2);
    assert_eq!(arrived.unsent, [twice]);
    assert_eq!(arrived.submitted[1], ["the next", "one more"]);
    assert_eq!(arrived.submitted.concat().len(), 2);
    is_told(&send(&root, "Agent-1", ", glued"), &earlier);
}

/// A browser whose clipboard request is on its way when the clipboard's owner dies hangs for good.
#[test]
fn a_browser_does_not_hang_when_its_sender_is_killed_before_the_fetch() {
    require!("Xvfb", "chromium");
    let mut stage = Stage::browser();
    let root = Root::new(stage.display(), &stage.config());
    let first = root.run(&["send", "-a", "Agent-1", "-m", "takes the focus"], "");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    stage.arrived(1);
    // It cannot ask for the text before the sender is dead.
    stage.chromium().process().stop();
    kill_sender(&root, "Agent-1", "of the dead", |sender| sender.said().contains(PASTED));
    stage.chromium().process().go_on();
    until(READY_WITHIN, "the browser pastes the dead sender's text", || {
        stage.drafts() == [(0, "of the dead".to_owned())]
    });
    let earlier = died(&root, "Agent-1");
    is_told(&send(&root, "Agent-2", "the next"), &earlier);
    let arrived = stage.arrived(2);
    assert_eq!(arrived.unsent, ["of the dead"]);
    assert_eq!(
        (arrived.submitted[0].as_slice(), arrived.submitted[1].as_slice()),
        (&["takes the focus".to_owned()][..], &["the next".to_owned()][..])
    );
}
