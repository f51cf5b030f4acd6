//! Others at mouse and keyboard while a message is under way: a person, and another program's synthetic input.
//!
//! They turn to the second agent's window and type there; only the first one is sent to. Whatever of ours goes astray
//! goes into the second one.

use std::time::{Duration, Instant};

use deliver::agent_windows::Options;
use tests::{hand::Hand, xvnc::Xvnc};
use x11rb::{
    protocol::xproto::{ConnectionExt as _, Window},
    rust_connection::RustConnection,
};

use super::{
    arena::Arena,
    bout::{Bout, impatient},
    dice::Dice,
    screen::Screen,
    strike::{Moment, struck},
    verdict::Tally,
};

/// Whoever pauses for so long has made room: short, for each delivery that meets them waits for it.
const IDLE: &str = "human.idle = \"100ms\"\n";

/// What they type: not ours, so that it is known.
const TYPED: &str = "p";

/// A person clicks at the second agent's window and types, by the devices of the server.
pub(crate) fn person(bout: Bout) -> Tally {
    let mut arena = arena(bout, Screen::Attended(Xvnc::start()));
    let (mut person, elsewhere) = (arena.screen.person(), arena.agents.windows()[1].centre());
    let looks = Looks::at(&arena);
    let point =
        (u16::try_from(elsewhere.0).expect("on the screen"), u16::try_from(elsewhere.1).expect("on the screen"));
    turned_to(&mut arena, bout, move || {
        person.clicks(point);
        if looks.has_the_focus() {
            person.types(TYPED);
        }
    });
    arena.verdict()
}

/// Another program does the same by synthetic input, as remote control and other senders do.
pub(crate) fn synthetic(bout: Bout) -> Tally {
    let mut arena = arena(bout, Screen::Unattended(tests::xvfb::Xvfb::start()));
    let (hand, elsewhere) = (Hand::on(arena.display()), arena.agents.windows()[1].centre());
    let looks = Looks::at(&arena);
    turned_to(&mut arena, bout, move || {
        hand.click(elsewhere);
        if looks.has_the_focus() {
            hand.type_plainly(TYPED);
        }
    });
    arena.verdict()
}

/// Who types looks first whether the window has taken the focus. Who does not see it types nothing: a key before our watch
/// begins would go into the target's box, as if a person had left a draft there.
struct Looks(RustConnection, Window);

impl Looks {
    fn at(arena: &Arena) -> Self {
        Self(arena.client().0, arena.window(1))
    }

    fn has_the_focus(&self) -> bool {
        let until = Instant::now() + Duration::from_millis(20);
        while self.0.get_input_focus().expect("request").reply().expect("the focus").focus != self.1 {
            if Instant::now() > until {
                return false;
            }
        }
        true
    }
}

fn arena(bout: Bout, screen: Screen) -> Arena {
    let config = |places: &str| IDLE.to_owned() + &impatient(places);
    bout.arena_on(screen, &Options { count: 2, managed: bout.managed, ..Options::default() }, config)
}

/// Each delivery goes to the first agent, and in its middle somebody turns to the second.
fn turned_to(arena: &mut Arena, bout: Bout, mut turn: impl FnMut() + Send) {
    let (mut dice, mut met) = (Dice::new(bout.seed), 0);
    let display = arena.display().to_owned();
    for _ in 0..bout.deliveries {
        let (sent, struck) = struck(&display, Moment::any(&mut dice), &mut turn, arena.delivery(0));
        arena.keep(sent);
        met += usize::from(struck);
    }
    assert!(met * 2 > bout.deliveries, "only {met} of {} deliveries were met", bout.deliveries);
}
