//! A keeper that is killed in the middle of a delivery, or stopped.

use std::time::Duration;

use deliver::{
    agent_windows::{Behaviour, Fetch},
    desktop::{Desktop as _, Refusal, Selection},
};
use lock_core::Moment;
use tests::{clipboard, probe, process, require};

use crate::desk::{DEADLINE, Desk, ONCE, chord, guard, message_id, paste, soon};

#[test]
fn a_keeper_that_dies_before_the_paste_leaves_no_doubt_and_after_it_no_claim() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour { fetch: Fetch::Never, ..Behaviour::default() });
    let guard = guard();
    let mut driver = desk.driver();
    let target = driver.bind(&desk.point(0)).unwrap();
    driver.click(&guard.permit(), &target).unwrap();
    driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
    desk.kill_keeper();
    let refused = driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id()).unwrap_err();
    assert!(
        matches!(&refused, Refusal::NoDisplay { why, .. } if why.contains("before a key was pressed")),
        "{refused}"
    );
    let mut driver = desk.driver();
    let target = paste(&mut driver, &guard, &desk.point(0), "text").unwrap();
    desk.kill_keeper();
    let refused = driver.await_fetched(&target, ONCE, soon()).unwrap_err();
    assert!(matches!(refused, Refusal::Disconnected { .. }), "{refused}");
    assert_eq!(desk.settled(), (Vec::new(), Vec::new()));
}

/// The server is not asked anything meanwhile, and its time for an answer counts from the question.
#[test]
fn a_keeper_that_is_late_is_no_grab_of_the_server() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let mut driver = desk.driver();
    driver.offer(&guard().permit(), "text", Selection::Clipboard).unwrap();
    let keeper = clipboard::owner_pid(desk.display(), clipboard::Selection::Clipboard).unwrap();
    process::sigstop(keeper);
    let stopped = Moment::now();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| desk.driver());
        let over = || stopped.elapsed() > Duration::from_millis(2200);
        probe::until(DEADLINE, "the server would have been late", over);
        process::sigcont(keeper);
        late.join().unwrap();
    });
}
