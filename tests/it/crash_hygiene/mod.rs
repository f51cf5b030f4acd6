//! Senders and keepers that are killed or stopped at every step that the X server sees.
//!
//! Each is struck behind the nth thing that it writes to its server ([`tests::display_between`]), for every n until it has no more.
//! Right then no key is down, nothing is grabbed and the display answers; afterwards the journal or the sender tells the
//! truth, the next holder delivers, and the person's clipboard is back with all its formats.
//!
//! The ordinary run stops them for a moment, and takes every fourth step in the browser and every third of portable senders.
//! The long form stops them for ten seconds and takes every step:
//!
//! ```text
//! TALKSTICK_TEST_RUNS=2 cargo test -p tests --test it crash_hygiene:: -- --nocapture
//! ```

mod browser;
mod scene;

use std::{io::Write as _, time::Duration};

use tests::{
    display_between::{Blow, Client},
    probe::{READY_WITHIN, until},
    process::{is_alive, sigcont},
    require,
};

use self::scene::{Person, Scene, Struck};
use crate::{adversaries::verdict::Tally, desktop_delivery::runs};

/// More steps than a delivery has.
const STEPS_MAX: usize = 400;
/// Scenes beside each other while senders are stopped: they wait most of the time.
const AT_ONCE: usize = 8;

/// In the long form.
fn is_long() -> bool {
    runs() > 1
}

/// How long somebody stays stopped.
fn stopped_for() -> Duration {
    if is_long() { Duration::from_secs(10) } else { Duration::from_millis(300) }
}

/// Says on the terminal what was counted: the test runner swallows what a test that passes prints.
fn say(what: &str, tally: &Tally, frozen: Duration) {
    let Tally { tried, submitted, rejected, uncertain, wrong_windows, wrong_enters, duplicates, false_claims, .. } =
        tally;
    // Without a terminal there is nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "{what}: {tried} tried, {wrong_windows} wrong windows, {wrong_enters} wrong Enters, {duplicates} duplicates, \
         {false_claims} false claims, {submitted} submitted, {rejected} rejected, {uncertain} uncertain; display frozen \
         for {} ms at most",
        frozen.as_millis()
    );
}

fn finish(what: &str, mut scenes: Vec<Scene>) {
    let mut tally = Tally::default();
    let mut frozen = Duration::ZERO;
    for scene in &mut scenes {
        tally += scene.verdict();
        frozen = frozen.max(scene.frozen);
    }
    say(what, &tally, frozen);
    assert!(tally.is_safe(), "{what}: {tally:?}");
}

#[test]
fn a_sender_killed_at_any_step_leaves_nothing_behind() {
    require!("Xvfb");
    let mut scene = Scene::new();
    let person = Person::copies(scene.display());
    let mut nth = 1;
    while nth < STEPS_MAX {
        if !scene.kill_sender(nth) {
            break;
        }
        scene.next_holder(nth);
        nth += 1;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    person.finds_everything(scene.display());
    finish("sender killed at every step", vec![scene]);
}

/// Where keys are pressed one by one, the next holder releases those that a dead one left down.
#[test]
fn what_a_portable_sender_killed_at_any_step_leaves_down_is_released_by_the_next() {
    require!("Xvfb");
    let mut scene = Scene::with_portable_senders();
    let (mut nth, mut left_down) = (1, 0);
    let stride = if is_long() { 1 } else { 3 };
    while nth < STEPS_MAX {
        if !scene.kill_sender(nth) {
            break;
        }
        left_down += usize::from(scene.is_anything_down());
        scene.next_holder(nth);
        assert!(!scene.is_anything_down(), "after step {nth}");
        nth += stride;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    assert!(left_down > 0, "none was killed while it held a key");
    finish("portable sender killed at every step", vec![scene]);
}

#[test]
fn a_sender_stopped_at_any_step_freezes_nobody_and_tells_the_truth() {
    require!("Xvfb");
    let scenes = std::thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|at| scope.spawn(move || stop_senders(1 + at))).collect();
        running.into_iter().map(|scene| scene.join().expect("a scene")).collect()
    });
    finish("sender stopped at every step", scenes);
}

fn stop_senders(first: usize) -> Scene {
    let mut scene = Scene::new();
    let mut nth = first;
    while nth < STEPS_MAX {
        let (struck, text, agent) = scene.strike(Client::Sender, nth, Blow::Stop);
        let Struck::Yes(sender) = struck else { break };
        std::thread::sleep(stopped_for());
        sender.go_on();
        scene.ended(sender, agent, text);
        scene.next_holder(nth);
        nth += AT_ONCE;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    scene
}

#[test]
fn a_keeper_killed_at_any_step_costs_no_message_its_truth() {
    require!("Xvfb");
    let mut scene = Scene::new();
    let mut nth = 1;
    while nth < STEPS_MAX {
        let (struck, text, agent) = scene.strike(Client::Keeper, nth, Blow::Kill);
        let Struck::Yes(sender) = struck else { break };
        scene.ended(sender, agent, text);
        scene.next_holder(nth);
        // The next one is struck from its first step on.
        if let Some(keeper) = scene.keeper() {
            tests::process::sigkill(keeper);
            until(READY_WITHIN, "the keeper is dead", || !is_alive(keeper));
        }
        nth += 1;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    finish("keeper killed at every step", vec![scene]);
}

#[test]
fn a_keeper_stopped_at_any_step_costs_no_message_its_truth() {
    require!("Xvfb");
    let scenes = std::thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|at| scope.spawn(move || stop_keepers(1 + at))).collect();
        running.into_iter().map(|scene| scene.join().expect("a scene")).collect()
    });
    finish("keeper stopped at every step", scenes);
}

fn stop_keepers(first: usize) -> Scene {
    let mut scene = Scene::new();
    let mut nth = first;
    while nth < STEPS_MAX {
        let (struck, text, agent) = scene.strike(Client::Keeper, nth, Blow::Stop);
        let Struck::Yes(sender) = struck else { break };
        let keeper = scene.keeper().expect("a stopped keeper");
        std::thread::sleep(stopped_for());
        sigcont(keeper);
        scene.ended(sender, agent, text);
        scene.next_holder(nth);
        if let Some(keeper) = scene.keeper() {
            tests::process::sigkill(keeper);
            until(READY_WITHIN, "the keeper is dead", || !is_alive(keeper));
        }
        nth += AT_ONCE;
    }
    assert!(nth < STEPS_MAX, "it has more steps than were tried");
    scene
}
