//! Targets that are seen to have read the text are not waited for until they were quiet; all others are.

use std::time::Duration;

use deliver::{
    agent_windows::{Behaviour, Fetch},
    desktop::{Desktop as _, FetchRule, Fetched, Selection},
};
use lock_core::Moment;
use tests::require;
use x11rb::{
    CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{AtomEnum, ConnectionExt as _},
};

use crate::desk::{DEADLINE, Desk, ONCE, chord, deliver, guard, paste, soon};

/// A quiet that a test can tell from none.
const QUIET: Duration = Duration::from_millis(300);
const UNTIL_READ: FetchRule = FetchRule { quiet: QUIET, until_read: true, ..ONCE };

/// Pastes into a window of that behaviour; what was seen, and how long it took until Enter was allowed.
fn fetched(behaviour: Behaviour, quiet: Duration) -> (Fetched, Duration) {
    let mut desk = Desk::with(1, behaviour);
    let (mut driver, guard) = (desk.driver(), guard());
    let target = paste(&mut driver, &guard, &desk.point(0), "text").unwrap();
    let began = Moment::now();
    let rule = FetchRule { quiet, ..UNTIL_READ };
    let fetched = driver.await_fetched(&target, rule, soon()).unwrap();
    let took = began.elapsed();
    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    assert_eq!(desk.settled(), (vec![(0, "text".into())], Vec::new()));
    (fetched, took)
}

#[test]
fn a_target_that_has_read_the_text_is_done() {
    require!("Xvfb");
    // A quiet that would not be over in time.
    let (fetched, _) = fetched(Behaviour::default(), DEADLINE * 2);
    assert_eq!((fetched.by_target, fetched.by_others, fetched.read), (1, 0, true));
}

#[test]
fn a_target_that_leaves_the_text_where_it_was_put_is_waited_for() {
    require!("Xvfb");
    let (fetched, took) = fetched(Behaviour { keeps_property: true, ..Behaviour::default() }, QUIET);
    assert!(!fetched.read && took >= QUIET, "{fetched:?}, {took:?}");
}

#[test]
fn a_target_that_asked_for_formats_first_is_waited_for() {
    require!("Xvfb");
    let (fetched, took) = fetched(Behaviour { target_requests: 1, ..Behaviour::default() }, QUIET);
    assert!(!fetched.read && took >= QUIET, "{fetched:?}, {took:?}");
}

/// A browser asks for lists of formats between its two reads and its insertion, and pauses among them when it is busy.
#[test]
fn a_target_that_has_more_requests_to_make_than_it_made_is_waited_for() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour { target_requests: 1, ..Behaviour::default() });
    let (mut driver, guard) = (desk.driver(), guard());
    let quiet_of = |driver: &mut deliver::desktop::x11::X11Desktop, requests| {
        let rule = FetchRule { requests, quiet: QUIET / 10, ..ONCE };
        let target = paste(driver, &guard, &desk.point(0), "text").unwrap();
        let began = Moment::now();
        let fetched = driver.await_fetched(&target, rule, soon()).unwrap();
        (fetched.finished, began.elapsed())
    };
    let (finished, took) = quiet_of(&mut driver, 2);
    assert!(finished && took >= QUIET / 10, "{took:?}");
    let (finished, took) = quiet_of(&mut driver, 3);
    assert!(!finished && took >= QUIET, "{took:?}");
}

/// Each paste deletes what the one before left there, right before it asks: that is no reading of the new text.
#[test]
fn the_deletion_of_an_older_text_is_no_reading_of_a_newer_one() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour { keeps_property: true, ..Behaviour::default() });
    let (mut driver, guard) = (desk.driver(), guard());
    for nth in 0..3 {
        let rule = FetchRule { quiet: Duration::from_millis(20), ..UNTIL_READ };
        let fetched = deliver(&mut driver, &guard, &desk.point(0), &nth.to_string(), rule).unwrap();
        assert!(!fetched.read, "{nth}: {fetched:?}");
    }
    assert_eq!(desk.submitted(3), [(0, "0".into()), (0, "1".into()), (0, "2".into())]);
}

/// A requestor that names the keeper's own window must not decide what the keeper hears of it.
#[test]
fn a_request_in_the_keeper_s_own_name_changes_nothing() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let stranger = desk.xvfb.connect();
    let atom = |name: &str| stranger.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let (clipboard, utf8, into) = (atom("CLIPBOARD"), atom("UTF8_STRING"), atom("_TALKSTICK_TIME"));
    driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
    let keeper = stranger.get_selection_owner(clipboard).unwrap().reply().unwrap().owner;
    stranger.convert_selection(keeper, clipboard, utf8, into, CURRENT_TIME).unwrap();
    stranger.delete_property(keeper, into).unwrap();
    stranger.flush().unwrap();
    for nth in 0..3 {
        deliver(&mut driver, &guard, &desk.point(0), &nth.to_string(), UNTIL_READ).unwrap();
    }
    let written = stranger.get_property(false, keeper, into, AtomEnum::ANY, 0, 100).unwrap().reply().unwrap();
    assert_eq!(written.value, b"", "the text is no clock");
}

/// The server's time for its answers counts from each question of a long wait.
#[test]
fn a_target_that_takes_long_is_woken_all_the_while() {
    require!("Xvfb");
    let behaviour = Behaviour { fetch: Fetch::AfterMs(2300), ..Behaviour::default() };
    let desk = Desk::with(1, behaviour);
    let rule = FetchRule { nudge: Some(Duration::from_millis(10)), ..ONCE };
    deliver(&mut desk.driver(), &guard(), &desk.point(0), "text", rule).unwrap();
    assert_eq!(desk.submitted(1), [(0, "text".into())]);
}
