//! Senders that are killed at every step of a delivery into a browser: it does not hang, and takes the next message.
//!
//! A browser whose request is on its way when the clipboard's owner dies hangs for good, so the owner must not die with the
//! sender.

use std::time::Duration;

use tests::{
    display_between::{Blow, Client, DisplayBetween},
    probe::{READY_WITHIN, until},
    process::Process,
    require,
};

use super::{STEPS_MAX, is_long, say, scene::died};
use crate::{
    adversaries::verdict::{Logged, Sent, Tally, judge, text_of},
    desktop_delivery::{program::Root, stage::Stage},
};

/// The agent that the next holders send to; the others are for those that are killed.
const NEXT: usize = 7;
/// What the next holder may be told of the one that was killed.
const TOLD: [&str; 2] = ["unsent_text", "paste_unfinished"];

#[test]
fn a_browser_takes_the_next_message_whenever_its_sender_is_killed() {
    require!("Xvfb", "chromium");
    let mut stage = Stage::browser();
    let between = DisplayBetween::leading_to(stage.display());
    let root = Root::new(between.display(), &stage.config());
    let mut sent: Vec<Sent> = Vec::new();
    let stride = if is_long() { 1 } else { 4 };
    let mut nth = 1;
    while nth < STEPS_MAX {
        let (agent, before) = (nth % NEXT, root.history().len());
        let text = text_of(agent, nth, "");
        between.arm(Client::Sender, nth, Blow::Kill);
        let mut sender =
            Process::start(root.command(&["-q", "send", "-a", &format!("Agent-{}", agent + 1), "-m", &text]));
        until(READY_WITHIN, "the sender is struck or at its end", || between.struck().is_some() || !sender.runs());
        between.disarm();
        sender.wait(READY_WITHIN);
        sent.push(died(&root, agent, text, before));
        if between.struck().is_none() {
            break;
        }
        let text = text_of(NEXT, STEPS_MAX + nth, "");
        let before = root.history().len();
        let next = root.run(&["-q", "send", "-a", &format!("Agent-{}", NEXT + 1), "-m", &text], "");
        sent.push(died(&root, NEXT, text, before));
        let receipt = sent.last().map(|sent| &sent.receipt).expect("the last");
        // Its box is another one of the same window, which nothing tells before Enter was pressed there; and the last
        // requests of the dead one's paste may come among those of its own.
        let told = receipt.reason.as_ref().is_some_and(|reason| TOLD.contains(&reason.code.as_ref()));
        let fits = next.status.success() || (next.status.code() == Some(5) && receipt.submitted && told);
        assert!(fits, "after step {nth}: {receipt:?}: {}", String::from_utf8_lossy(&next.stderr));
        nth += stride;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    let entered = sent.iter().filter(|sent| sent.receipt.submitted).count();
    let arrived = stage.arrived(entered);
    let submitted = arrived.submitted.into_iter().enumerate();
    let submitted = submitted.flat_map(|(at, texts)| texts.into_iter().map(move |text| (at, text))).collect();
    let tally: Tally = judge(&sent, &Logged { submitted, unsent: stage.drafts() });
    say("sender killed at every step, Chromium", &tally, Duration::ZERO);
    assert!(tally.is_safe(), "{tally:?}");
}
