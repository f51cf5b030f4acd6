//! The keyboard changes its layout while a message is under way.

use std::process::{Command, Stdio};

use deliver::agent_windows::Options;

use super::{
    bout::Bout,
    dice::Dice,
    strike::{Moment, struck},
    verdict::Tally,
};

/// Layouts with Latin letters elsewhere, with none at all, and with two groups.
const LAYOUTS: [&str; 7] = ["us", "dvorak", "fr", "ru", "gr", "us,ru", "ru,us"];

/// A person's tool loads another layout.
pub(crate) fn layout(bout: Bout) -> Tally {
    let mut arena = bout.impatient_arena(&Options { count: 2, ..Options::default() });
    let display = arena.display().to_owned();
    let mut dice = Dice::new(bout.seed);
    for nth in 0..bout.deliveries {
        let name = dice.one_of(&LAYOUTS);
        let switch = || {
            let mut tool = Command::new("setxkbmap");
            let done = tool.args(["-display", &display, name]).stderr(Stdio::null()).status();
            assert!(done.expect("setxkbmap starts").success(), "setxkbmap {name}");
        };
        let (sent, _) = struck(&display, Moment::any(&mut dice), switch, arena.delivery(nth % 2));
        arena.keep(sent);
    }
    arena.verdict()
}
