//! Senders that share no lock, on one display: its mark keeps them apart.

use std::time::Duration;

use deliver::{
    State,
    agent_windows::Behaviour,
    desktop::{Desktop as _, Refusal},
};
use tests::{probe::until, require};
use x11rb::{
    COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, PropMode, Window, WindowClass},
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::{
    desk::{DEADLINE, Desk, chord, guard},
    postponed::{Sender, heard},
};

/// Messages of each of two senders. They begin together, again and again.
const MESSAGES: usize = 12;

/// A client with a window titled `name` that takes the mark.
fn marked_by(stranger: &RustConnection, name: &str) -> Window {
    let window = stranger.generate_id().unwrap();
    let (root, class) = (stranger.setup().roots[0].root, WindowClass::INPUT_ONLY);
    stranger.create_window(0, window, root, -1, -1, 1, 1, 0, class, COPY_FROM_PARENT, &CreateWindowAux::new()).unwrap();
    let (title, text) = (AtomEnum::WM_NAME, AtomEnum::STRING);
    stranger.change_property8(PropMode::REPLACE, window, title, text, name.as_bytes()).unwrap();
    stranger.set_selection_owner(window, mark(stranger), CURRENT_TIME).unwrap();
    assert_eq!(owner(stranger), window);
    window
}

fn mark(connection: &RustConnection) -> u32 {
    connection.intern_atom(false, b"_TALKSTICK").unwrap().reply().unwrap().atom
}

fn owner(connection: &RustConnection) -> Window {
    connection.get_selection_owner(mark(connection)).unwrap().reply().unwrap().owner
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roots_on_one_display_never_mix_their_messages() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour::default());
    let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let senders = [0, 1].map(|nth: usize| Sender::of(desk.display(), roots[nth].path()));
    let mut expected = Vec::new();
    for round in 0..MESSAGES {
        let sent = [0, 1].map(|nth| {
            let text = format!("<{nth}.{round}>");
            expected.push((nth, text.clone()));
            senders[nth].send(desk.point(nth), &text, DEADLINE).0
        });
        for sending in sent {
            let receipt = sending.await.unwrap();
            assert_eq!((receipt.state, &receipt.reason), (State::Submitted, &None), "{receipt:?}");
            let mut postponed = receipt.evidence.iter().filter(|seen| seen.seen.starts_with("postponed"));
            // None of them got in the other's way: who was second has touched nothing.
            assert!(postponed.all(|seen| seen.seen.contains("another sender is at work")), "{receipt:?}");
        }
    }
    let (mut submitted, drafts) = desk.settled();
    submitted.sort();
    expected.sort();
    assert_eq!((submitted, drafts), (expected, Vec::new()));
    assert_eq!(owner(&desk.xvfb.connect()), 0, "the mark is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_another_host_is_waited_for_and_named() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let root = tempfile::tempdir().unwrap();
    let sender = Sender::of(desk.display(), root.path());
    let stranger = desk.xvfb.connect();
    marked_by(&stranger, "talkstick on elsewhere");
    let (sending, _) = sender.send(desk.point(0), "too early", Duration::ZERO);
    let receipt = sending.await.unwrap();
    let reason = receipt.reason.unwrap();
    assert_eq!((receipt.state, receipt.typed, reason.code.as_ref()), (State::Rejected, false, "display_taken"));
    assert!(reason.message.contains("another sender is at work on the display: talkstick on elsewhere"), "{reason:?}");
    let (sending, mut told) = sender.send(desk.point(0), "then", DEADLINE);
    let why = heard(&mut told).await;
    assert!(why.starts_with("another sender is at work on the display: talkstick on elsewhere"), "{why}");
    assert!(!sending.is_finished());
    // As with a sender that is killed: the server frees what its connection owned.
    drop(stranger);
    assert_eq!(sending.await.unwrap().state, State::Submitted);
    assert_eq!(desk.settled(), (vec![(0, "then".to_owned())], Vec::new()));
}

#[test]
fn a_mark_that_is_taken_away_stops_the_delivery_before_its_next_act() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let permit = guard.permit();
    driver.watch(Some(&permit), Duration::ZERO).unwrap();
    let target = crate::desk::paste(&mut driver, &guard, &desk.point(0), "unsent").unwrap();
    let thief = desk.xvfb.connect();
    let window = marked_by(&thief, "thief");
    let refused = driver.submit(&permit, &target, &chord("return"), true).unwrap_err();
    assert!(matches!(&refused, Refusal::LeaseLost(why) if why.contains("_TALKSTICK")), "{refused}");
    driver.unwatch();
    assert_eq!(owner(&thief), window, "what is another's is not given back");
    until(DEADLINE, "the paste stands there unsent", || desk.settled() == (Vec::new(), vec!["unsent".to_owned()]));
}
