//! The target's window is closed, covered, moved, resized or replaced while a message is under way.
//!
//! Another agent's window takes its place, or lies right below it, so that whatever goes astray goes into it. Half of the
//! deliveries name the agent by its point: who lies there when the delivery begins is the target, so these are struck from
//! the click on. The other half name it by its title, and are struck at any time.

use deliver::agent_windows::Options;
use tests::agent_windows_process::AgentWindowsProcess;
use x11rb::{
    CURRENT_TIME,
    protocol::xproto::{ConfigureWindowAux, ConnectionExt as _, InputFocus, StackMode, Window},
    rust_connection::RustConnection,
};

use super::{
    arena::Arena,
    bout::{Bout, IMPATIENT},
    dice::Dice,
    strike::{Moment, struck},
    verdict::Tally,
};

/// How the first agent is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Point,
    Title,
}

/// The fight with each half of the deliveries.
fn both_ways(bout: Bout, fight: impl Fn(Bout, By) -> Tally) -> Tally {
    let half = |deliveries, seed| Bout { deliveries, seed, ..bout };
    let mut tally = fight(half(bout.deliveries / 2, bout.seed), By::Point);
    tally += fight(half(bout.deliveries.div_ceil(2), bout.seed + 1), By::Title);
    tally
}

/// Two agents.
fn arena(bout: Bout, by: By) -> Arena {
    let options = Options { count: 2, managed: bout.managed, ..Options::default() };
    let mut arena = match by {
        By::Point => bout.impatient_arena(&options),
        By::Title => {
            let place = "[agents.Agent-1]\nprofile = \"impatient\"\nwindow = { title = \"Agent-1\" }\n";
            bout.arena_with(&options, |_| IMPATIENT.to_owned() + place)
        }
    };
    // What is in the way stays there.
    arena.timeout = "1s";
    arena
}

/// One delivery to the first agent, and `strike` in the middle of it.
fn strike_at(arena: &mut Arena, dice: &mut Dice, by: By, strike: impl FnOnce(&RustConnection) + Send) {
    let (client, _) = arena.client();
    let display = arena.display().to_owned();
    let moment = match by {
        By::Point => Moment::from_the_click_on(dice),
        By::Title => Moment::any(dice),
    };
    let act = move || {
        strike(&client);
        // A display that goes down ends the row, not the adversary.
        let _ = client.get_input_focus().map(|asked| asked.reply());
    };
    let (sent, _) = struck(&display, moment, act, arena.delivery(0));
    arena.keep(sent);
}

/// Two agents, the second right below the first.
fn stacked(bout: Bout, by: By) -> Arena {
    let arena = arena(bout, by);
    let (client, _) = arena.client();
    let first = &arena.agents.windows()[0];
    let place = ConfigureWindowAux::new()
        .x(i32::from(first.x))
        .y(i32::from(first.y))
        .width(u32::from(first.width))
        .height(u32::from(first.height));
    client.configure_window(arena.window(1), &place).expect("request");
    restack(&client, arena.window(1), StackMode::BELOW);
    client.get_input_focus().expect("request").reply().expect("the display is there");
    arena
}

fn restack(client: &RustConnection, window: Window, mode: StackMode) {
    let _ = client.configure_window(window, &ConfigureWindowAux::new().stack_mode(mode));
}

fn place(client: &RustConnection, window: Window, (x, y): (i16, i16)) {
    let _ = client.configure_window(window, &ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)));
}

/// The window is closed; the one below it is then under the pointer.
pub(crate) fn closed(bout: Bout) -> Tally {
    both_ways(bout, closed_by)
}

fn closed_by(bout: Bout, by: By) -> Tally {
    let (mut dice, mut tally) = (Dice::new(bout.seed), Tally::default());
    for _ in 0..bout.deliveries {
        let mut arena = stacked(bout, by);
        let window = arena.window(0);
        strike_at(&mut arena, &mut dice, by, move |client| {
            let _ = client.destroy_window(window);
        });
        tally += arena.verdict();
    }
    tally
}

/// A stranger's window comes up over it, and takes the focus every second time.
pub(crate) fn covered(bout: Bout) -> Tally {
    both_ways(bout, covered_by)
}

fn covered_by(bout: Bout, by: By) -> Tally {
    let mut arena = arena(bout, by);
    let over_all = Options { count: 1, title_prefix: "Stranger-".into(), ..Options::default() };
    let stranger = AgentWindowsProcess::start(arena.display(), &over_all);
    let window = stranger.windows()[0].id;
    arena.strangers.push(stranger);
    let (client, _) = arena.client();
    let mut dice = Dice::new(bout.seed);
    for _ in 0..bout.deliveries {
        client.unmap_window(window).expect("request").check().expect("the stranger is there");
        let takes_focus = dice.below(2) == 0;
        strike_at(&mut arena, &mut dice, by, move |client| {
            restack(client, window, StackMode::ABOVE);
            let _ = client.map_window(window);
            if takes_focus {
                let _ = client.set_input_focus(InputFocus::POINTER_ROOT, window, CURRENT_TIME);
            }
        });
    }
    arena.verdict()
}

/// Two agents' windows change places.
pub(crate) fn moved(bout: Bout) -> Tally {
    both_ways(bout, moved_by)
}

fn moved_by(bout: Bout, by: By) -> Tally {
    let mut arena = arena(bout, by);
    let windows = [arena.window(0), arena.window(1)];
    let places = [0, 1].map(|nth: usize| (arena.agents.windows()[nth].x, arena.agents.windows()[nth].y));
    let (client, _) = arena.client();
    let mut dice = Dice::new(bout.seed);
    for _ in 0..bout.deliveries {
        strike_at(&mut arena, &mut dice, by, move |client| {
            place(client, windows[0], places[1]);
            place(client, windows[1], places[0]);
        });
        for nth in 0..2 {
            place(&client, windows[nth], places[nth]);
        }
        client.get_input_focus().expect("request").reply().expect("the display is there");
    }
    arena.verdict()
}

/// The window shrinks to its corner: the one below it is then under the pointer.
pub(crate) fn resized(bout: Bout) -> Tally {
    both_ways(bout, resized_by)
}

fn resized_by(bout: Bout, by: By) -> Tally {
    let mut arena = stacked(bout, by);
    let window = arena.window(0);
    let first = &arena.agents.windows()[0];
    let size = ConfigureWindowAux::new().width(u32::from(first.width)).height(u32::from(first.height));
    let (client, _) = arena.client();
    let mut dice = Dice::new(bout.seed);
    for _ in 0..bout.deliveries {
        strike_at(&mut arena, &mut dice, by, move |client| {
            let _ = client.configure_window(window, &ConfigureWindowAux::new().width(20).height(20));
        });
        client.configure_window(window, &size).expect("request").check().expect("the agent is there");
    }
    arena.verdict()
}

/// The window is taken off the screen, and another program's window of the same title, class and place is there instead.
/// Whoever has the title when the delivery begins is the target, so all are struck from the click on.
pub(crate) fn replaced(bout: Bout) -> Tally {
    let mut dice = Dice::new(bout.seed);
    let mut arena = arena(bout, By::Title);
    let twin = AgentWindowsProcess::start(arena.display(), &Options { count: 2, ..Options::default() });
    let (real, double) = (arena.window(0), twin.windows()[0].id);
    let (client, _) = arena.client();
    client.unmap_window(twin.windows()[1].id).expect("request");
    arena.strangers.push(twin);
    for _ in 0..bout.deliveries {
        client.unmap_window(double).expect("request");
        client.map_window(real).expect("request").check().expect("the agent is there");
        let takes_focus = dice.below(2) == 0;
        strike_at(&mut arena, &mut dice, By::Point, move |client| {
            let _ = client.map_window(double);
            let _ = client.unmap_window(real);
            if takes_focus {
                let _ = client.set_input_focus(InputFocus::POINTER_ROOT, double, CURRENT_TIME);
            }
        });
    }
    arena.verdict()
}
