//! A keeper that is killed in the middle of a delivery.

use deliver::{
    agent_windows::{Behaviour, Fetch},
    desktop::{Desktop as _, Refusal, Selection},
};
use tests::require;

use crate::desk::{Desk, ONCE, chord, guard, message_id, paste, soon};

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
