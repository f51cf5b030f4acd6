//! The X server dies while a message is under way.

use deliver::agent_windows::Options;
use tests::process::sigkill;

use super::{
    bout::Bout,
    dice::Dice,
    strike::{Moment, struck},
    verdict::Tally,
};

/// SIGKILL to the X server.
pub(crate) fn killed(bout: Bout) -> Tally {
    let (mut dice, mut tally) = (Dice::new(bout.seed), Tally::default());
    for _ in 0..bout.deliveries {
        let mut arena = bout.arena(&Options { count: 1, ..Options::default() });
        let (display, server) = (arena.display().to_owned(), arena.screen.process().pid());
        let kill = || sigkill(server);
        // Not reaped before the sender has ended: only then may another server take the number of the display, and the
        // sender would find that one.
        let (sent, _) = struck(&display, Moment::any(&mut dice), kill, arena.delivery(0));
        arena.keep(sent);
        arena.screen.process().kill();
        tally += arena.verdict_of_the_dead();
    }
    tally
}
