//! Sixteen senders with five messages each, at once, into real windows: each message arrives exactly, once, in its own
//! input box, in the order of the tickets.
//!
//! The ordinary run sends them once to each kind of window. `TALKSTICK_TEST_RUNS=20` asks for so many runs in a row of
//! each, a quarter of it in the browser:
//!
//! ```text
//! TALKSTICK_TEST_RUNS=20 cargo test -p tests --test it desktop_delivery:: -- --test-threads 1
//! ```
//!
//! How long they take is said, not asserted; the benchmark `delivery` measures it.

pub(crate) mod crowd;
mod deliverers;
mod killed;
pub(crate) mod program;
pub(crate) mod stage;
mod texts;

use tests::require;

use self::{
    crowd::{run, send_by_program},
    deliverers::Deliverers,
    program::Root,
    stage::Stage,
};

/// How often in a row, by the environment.
pub(crate) fn runs() -> usize {
    let Ok(runs) = std::env::var("TALKSTICK_TEST_RUNS") else { return 1 };
    runs.parse().unwrap_or_else(|error| panic!("TALKSTICK_TEST_RUNS={runs} is no number of runs: {error}"))
}

/// By one process per message, as the program is used.
pub(crate) fn by_program(what: &str, runs: usize, mut stage: Stage) {
    let root = stage.root(&stage.config());
    run(what, runs, &mut stage, |plan| send_by_program(&root, plan));
}

/// By sixteen processes that stay, as programs that use the library do.
fn by_deliverers(what: &str, runs: usize, mut stage: Stage) {
    let root = Root::new(stage.display(), "");
    let places = stage.places();
    run(what, runs, &mut stage, |plan| {
        let role = ["desktop_delivery::deliverer_role", "--exact", "--ignored", "--nocapture"];
        Deliverers::start(&root, &role, &places, plan).send(plan)
    });
}

#[test]
#[ignore = "a role that other tests start"]
fn deliverer_role() {
    if std::env::var_os(deliverers::ROLE).is_some() {
        deliverers::play();
    }
}

#[test]
fn own_windows() {
    require!("Xvfb");
    by_program("own windows", runs(), Stage::windows(false));
}

#[test]
fn own_windows_by_senders_that_stay() {
    require!("Xvfb");
    by_deliverers("own windows, senders that stay", runs(), Stage::windows(false));
}

#[test]
fn own_windows_under_a_window_manager() {
    require!("Xvfb", "openbox");
    by_program("own windows under openbox", runs(), Stage::windows(true));
}

#[test]
fn terminals() {
    require!("Xvfb", "xterm");
    by_program("xterm", runs(), Stage::terminals(false));
}

#[test]
fn terminals_under_a_window_manager() {
    require!("Xvfb", "xterm", "openbox");
    by_program("xterm under openbox", runs(), Stage::terminals(true));
}

#[test]
fn a_browser() {
    require!("Xvfb", "chromium");
    by_program("chromium", runs().div_ceil(4), Stage::browser());
}

#[test]
fn a_browser_by_senders_that_stay() {
    require!("Xvfb", "chromium");
    by_deliverers("chromium, senders that stay", runs().div_ceil(4), Stage::browser());
}
