//! The baseline: the seed's sequence, move, click, copy, paste, Enter, with PyAutoGUI's pause after each call.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use tests::{
    clipboard::{Answer, ClipboardOwner, Selection},
    hand::{Hand, key},
};

use crate::{measure::median, stage::Stage};

/// PyAutoGUI's default pause after each of its calls.
const PAUSE: Duration = Duration::from_millis(100);
/// Calls that pause: move, click, paste, Enter. Copying is not PyAutoGUI's.
const CALLS: u32 = 4;

const ROUNDS: usize = 10;

/// One message after the other, all from one process: the median.
pub(crate) fn one_by_one(stage: &Stage) -> Duration {
    let (hand, centres) = (Hand::on(stage.display()), stage.centres());
    let send = |nth: usize| {
        let began = Instant::now();
        let point = centres[nth % centres.len()];
        hand.move_to(point);
        sleep(PAUSE);
        hand.click(point);
        sleep(PAUSE);
        let text = format!("message {nth}\nsecond line");
        let _clipboard = ClipboardOwner::own(stage.display(), Selection::Clipboard, &text, Answer::Whole);
        hand.chord(&[key::CTRL, key::V]);
        sleep(PAUSE);
        hand.chord(&[key::RETURN]);
        sleep(PAUSE);
        began.elapsed()
    };
    median((0..ROUNDS).map(send).collect())
}

/// So many messages one after the other cannot take less than their pauses, however short the waits for the lock are.
pub(crate) fn in_line(messages: usize) -> Duration {
    PAUSE * CALLS * messages as u32
}
