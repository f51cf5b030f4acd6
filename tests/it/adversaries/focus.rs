//! The focus goes elsewhere while a message is under way.

use std::time::Duration;

use deliver::agent_windows::{Behaviour, Options, Waiting};
use x11rb::{
    CURRENT_TIME,
    protocol::xproto::{ConnectionExt as _, InputFocus},
};

use super::{
    arena::Arena,
    bout::Bout,
    strike::{beside, delayed},
    verdict::Tally,
};

/// How long the focus stays with one window.
const FLIPS_EVERY: Duration = Duration::from_millis(2);

/// Another client gives the focus to one window and to the other in turn, all the time.
pub(crate) fn flipper(bout: Bout) -> Tally {
    // Impatient windows take an Enter that comes to them as it comes.
    let behaviour = Behaviour { waiting: Waiting::Impatient, ..Behaviour::default() };
    let mut arena = bout.arena(&Options { count: 2, managed: bout.managed, behaviour, ..Options::default() });
    // The focus never comes to rest.
    arena.timeout = "1s";
    let (client, _) = arena.client();
    let windows = [arena.window(0), arena.window(1)];
    let flip = move |over: &std::sync::atomic::AtomicBool| {
        let mut turn = 0;
        while delayed(FLIPS_EVERY, over) {
            turn += 1;
            // A display that goes down ends the row, not the adversary.
            let _ = client.set_input_focus(InputFocus::POINTER_ROOT, windows[turn % 2], CURRENT_TIME);
            let _ = client.get_input_focus().map(|asked| asked.reply());
        }
    };
    beside(flip, || send_in_turn(&mut arena, bout.deliveries));
    arena.verdict()
}

/// To the first agent and to the second in turn.
pub(crate) fn send_in_turn(arena: &mut Arena, deliveries: usize) {
    for nth in 0..deliveries {
        arena.send(nth % 2);
    }
}
