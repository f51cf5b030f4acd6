//! Programs that take the clipboard late, for what a person or a sender did before the offer.

use std::time::Duration;

use deliver::agent_windows::{Behaviour, Fetch, PasteKey};
use deliver::desktop::{Desktop as _, Refusal, Selection};
use lock_core::Moment;
use tests::require;
use x11rb::{
    COPY_FROM_PARENT,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Timestamp, Window, WindowClass},
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::desk::{Desk, ONCE, chord, guard, message_id};

/// How often: the claim's time and the offer's fall into the same millisecond only most of the times.
const CLAIMS: usize = 20;
/// How often at most, where a busy machine makes that rare.
const CLAIMS_MAX: usize = 2000;
/// How many claims come beside one offer.
const CLAIMS_AT_ONCE: usize = 300;

/// A terminal takes PRIMARY for the second click on a word when it comes to handle that click, with the click's time.
/// The sender has offered its text by then, perhaps in the same millisecond of the server's clock.
#[test]
fn a_claim_for_a_click_before_the_offer_does_not_take_it_away() {
    require!("Xvfb");
    let behaviour = Behaviour { paste_key: PasteKey::ShiftInsert, fetch: Fetch::Never, ..Behaviour::default() };
    let desk = Desk::with(1, behaviour);
    let (mut driver, guard) = (desk.driver(), guard());
    let target = driver.bind(&desk.point(0)).unwrap();
    let stranger = desk.xvfb.connect();
    let window = watched_window(&stranger);
    let owner = || stranger.get_selection_owner(AtomEnum::PRIMARY.into()).unwrap().reply().unwrap().owner;
    let mut taken_back = 0;
    for nth in 0..CLAIMS_MAX {
        if nth >= CLAIMS && taken_back > 0 {
            break;
        }
        let permit = guard.permit();
        // The very click is the driver's; this is the same millisecond most of the times.
        let clicked = server_time(&stranger, window);
        driver.click(&permit, &target).unwrap();
        driver.offer(&permit, "the offer", Selection::Primary).unwrap();
        stranger.set_selection_owner(window, AtomEnum::PRIMARY.into(), clicked).unwrap();
        taken_back += usize::from(owner() == window);
        driver
            .paste(&permit, &target, &chord("shift+insert"), &message_id())
            .unwrap_or_else(|refusal| panic!("claim {nth}: {refusal}"));
        stranger.set_selection_owner(window, AtomEnum::PRIMARY.into(), clicked).unwrap();
        assert_ne!(owner(), window, "claim {nth}");
        driver.restore(&permit).unwrap();
    }
    assert!(taken_back > 0, "no claim was as young as its offer");
}

fn watched_window(connection: &RustConnection) -> Window {
    let window = connection.generate_id().unwrap();
    let (root, class) = (connection.setup().roots[0].root, WindowClass::INPUT_ONLY);
    let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    connection.create_window(0, window, root, 0, 0, 1, 1, 0, class, COPY_FROM_PARENT, &events).unwrap();
    window
}

/// The time that the server stamps an event with, as it does a click.
fn server_time(connection: &RustConnection, window: Window) -> Timestamp {
    connection.change_property8(PropMode::APPEND, window, AtomEnum::WM_NAME, AtomEnum::STRING, &[]).unwrap();
    connection.flush().unwrap();
    loop {
        if let Event::PropertyNotify(change) = connection.wait_for_event().unwrap() {
            return change.time;
        }
    }
}

/// News of a claim from before the offer may be read after it.
#[test]
fn a_claim_before_the_offer_is_no_loss_of_it() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let target = driver.bind(&desk.point(0)).unwrap();
    let stranger = desk.xvfb.connect();
    let window = watched_window(&stranger);
    for nth in 0..CLAIMS {
        // In the same millisecond as the offer it would rightly take it away.
        let clicked = server_time(&stranger, window);
        while server_time(&stranger, window) == clicked {}
        std::thread::scope(|scope| {
            let (_claims, offered) = (
                // As many as it takes to have one right before the offer; those after it are refused.
                scope.spawn(|| {
                    for _ in 0..CLAIMS_AT_ONCE {
                        stranger.set_selection_owner(window, AtomEnum::PRIMARY.into(), clicked).unwrap();
                        stranger.flush().unwrap();
                    }
                    stranger.get_input_focus().unwrap().reply().unwrap();
                }),
                driver.offer(&guard.permit(), "the offer", Selection::Primary),
            );
            offered.unwrap_or_else(|refusal| panic!("offer {nth}: {refusal}"));
        });
        let refusal = driver.await_fetched(&target, ONCE, Moment::now() + Duration::from_millis(20)).unwrap_err();
        assert!(matches!(refusal, Refusal::NotFetched { .. }), "offer {nth}: {refusal}");
    }
}
