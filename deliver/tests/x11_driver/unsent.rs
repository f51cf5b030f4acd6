//! The note on a window whose box may hold unsent text: left with the paste, found by whoever comes next, gone with Enter.

use deliver::{
    MessageId,
    agent_windows::Behaviour,
    desktop::{Bound, Desktop, Place, Refusal, Selection, Unsent},
};
use lock_core::BlockingGuard;
use tests::require;
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{
        AtomEnum, ConnectionExt as _, CreateWindowAux, GetPropertyReply, GrabMode, InputFocus, ModMask, PropMode,
        Window, WindowClass,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::desk::{Desk, ONCE, chord, deliver, guard, message_id, paste, soon};

/// The keycode of v.
const V: u8 = 55;

/// Both drivers, each with connections of its own every time.
fn drivers(desk: &Desk) -> [Box<dyn Fn() -> Box<dyn Desktop> + '_>; 2] {
    [Box::new(|| Box::new(desk.driver())), Box::new(|| Box::new(desk.portable()))]
}

/// Up to the paste.
fn ready(driver: &mut dyn Desktop, guard: &BlockingGuard, place: &Place) -> Result<Bound, Refusal> {
    let target = driver.bind(place)?;
    driver.sweep(&guard.permit())?;
    driver.click(&guard.permit(), &target)?;
    driver.await_focus(&target, soon())?;
    driver.offer(&guard.permit(), ", next", Selection::Clipboard)?;
    Ok(target)
}

/// With the paste of `id`; whose text may have stood there.
fn paste_as(
    driver: &mut dyn Desktop,
    guard: &BlockingGuard,
    place: &Place,
    id: &MessageId,
) -> Result<(Bound, Option<Unsent>), Refusal> {
    let target = ready(driver, guard, place)?;
    let unsent = driver.paste(&guard.permit(), &target, &chord("ctrl+v"), id)?;
    Ok((target, unsent))
}

fn note(stranger: &RustConnection) -> u32 {
    stranger.intern_atom(false, b"_TALKSTICK_UNSENT").unwrap().reply().unwrap().atom
}

fn note_on(stranger: &RustConnection, window: Window) -> GetPropertyReply {
    stranger.get_property(false, window, note(stranger), AtomEnum::ANY, 0, 64).unwrap().reply().unwrap()
}

fn has_note(stranger: &RustConnection, window: Window) -> bool {
    note_on(stranger, window).type_ != 0
}

#[test]
fn it_is_left_with_the_paste_and_the_next_one_finds_it_whoever_it_is() {
    require!("Xvfb");
    let (mut desk, guard) = (Desk::with(1, Behaviour::default()), guard());
    let (window, stranger, place) = (desk.windows.windows()[0].id, desk.xvfb.connect(), desk.point(0));
    for connect in drivers(&desk) {
        let mut first = connect();
        let target = paste(first.as_mut(), &guard, &place, "left").unwrap();
        // Else the next offer to the same client could come first, and the text of this one would be no more.
        first.await_fetched(&target, ONCE, soon()).unwrap();
        let note = note_on(&stranger, window).value;
        assert!(note.starts_with(b"m "), "{note:?}");
        // As it is when its process dies.
        drop(first);
        let mut next = connect();
        let (target, unsent) = paste_as(next.as_mut(), &guard, &place, &"another".parse().unwrap()).unwrap();
        assert_eq!(unsent, Some(Unsent::from(message_id())));
        assert_eq!(note_on(&stranger, window).value, note, "what was first stays");
        next.await_fetched(&target, ONCE, soon()).unwrap();
        // An Enter for what was not seen to be read leaves it.
        next.submit(&guard.permit(), &target, &chord("return"), false).unwrap();
        assert!(has_note(&stranger, window));
        deliver(next.as_mut(), &guard, &place, "clean", ONCE).unwrap();
        assert!(!has_note(&stranger, window));
    }
    let texts: Vec<_> = desk.settled().0.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["left, next", "clean", "left, next", "clean"]);
}

#[test]
fn where_nothing_was_typed_there_is_none() {
    require!("Xvfb");
    let (mut desk, guard) = (Desk::with(2, Behaviour::default()), guard());
    let (windows, stranger, place) = (desk.windows.windows().to_vec(), desk.xvfb.connect(), desk.point(0));
    let leave = || stranger.set_input_focus(InputFocus::POINTER_ROOT, windows[1].id, CURRENT_TIME).unwrap().check();
    // A target that has the focus already takes it once more when it comes to the click.
    leave().unwrap();
    for connect in drivers(&desk) {
        let mut driver = connect();
        let target = ready(driver.as_mut(), &guard, &place).unwrap();
        leave().unwrap();
        let refused = driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id());
        assert!(matches!(refused, Err(Refusal::FocusElsewhere { .. })), "{refused:?}");
        drop(driver);
        assert!(!has_note(&stranger, windows[0].id));
    }
    assert_eq!(desk.settled(), (Vec::new(), Vec::new()));
}

#[test]
fn what_went_astray_is_told_once_at_each_place() {
    require!("Xvfb");
    let (desk, guard) = (Desk::with(3, Behaviour::default()), guard());
    let stranger = desk.xvfb.connect();
    let root = stranger.setup().roots[0].root;
    let (control, mode) = (ModMask::CONTROL, GrabMode::ASYNC);
    stranger.grab_key(false, root, control, V, mode, mode).unwrap().check().unwrap();
    let astray = paste_as(&mut desk.portable(), &guard, &desk.point(0), &"astray".parse().unwrap());
    assert!(matches!(astray, Err(Refusal::PressNotSeen { .. })), "{astray:?}");
    stranger.ungrab_key(V, root, control).unwrap().check().unwrap();
    for (window, connect) in drivers(&desk).into_iter().enumerate() {
        let mut driver = connect();
        for earlier in [Some("astray".parse::<MessageId>().unwrap().into()), None] {
            let place = desk.point(window + 1);
            let (target, unsent) = paste_as(driver.as_mut(), &guard, &place, &"next".parse().unwrap()).unwrap();
            assert_eq!(unsent, earlier);
            driver.await_fetched(&target, ONCE, soon()).unwrap();
            driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
            driver.restore(&guard.permit()).unwrap();
        }
    }
    assert!(has_note(&stranger, root), "it may stand at other places still");
}

#[test]
fn what_others_plant_is_bounded_and_believed_once() {
    require!("Xvfb");
    let (desk, guard) = (Desk::with(1, Behaviour::default()), guard());
    let (window, stranger, place) = (desk.windows.windows()[0].id, desk.xvfb.connect(), desk.point(0));
    let (text, huge) = (AtomEnum::STRING, vec![b'x'; 200_000]);
    for connect in drivers(&desk) {
        let mut driver = connect();
        for planted in [&b""[..], b"\x1b]0;x\x07\0", b"\xff\xfe", &huge] {
            stranger.change_property8(PropMode::REPLACE, window, note(&stranger), text, planted).unwrap();
            stranger.get_input_focus().unwrap().reply().unwrap();
            for believed in [Some("an unknown message"), None] {
                let (target, unsent) = paste_as(driver.as_mut(), &guard, &place, &message_id()).unwrap();
                assert_eq!(unsent.map(|unsent| unsent.to_string()).as_deref(), believed);
                driver.await_fetched(&target, ONCE, soon()).unwrap();
                driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
                driver.restore(&guard.permit()).unwrap();
            }
        }
    }
}

#[test]
fn boxes_that_share_a_window_around_them_have_each_their_own() {
    require!("Xvfb");
    let (desk, guard) = (Desk::with(0, Behaviour::default()), guard());
    let stranger = desk.xvfb.connect();
    let root = stranger.setup().roots[0].root;
    let open = |parent: Window, x: i16| {
        let window = stranger.generate_id().unwrap();
        let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        let aux = CreateWindowAux::new();
        stranger.create_window(depth, window, parent, x, 0, 100, 100, 0, class, COPY_FROM_PARENT, &aux).unwrap();
        stranger.map_window(window).unwrap().check().unwrap();
        window
    };
    let around = open(root, 0);
    let boxes = [open(around, 0), open(around, 50)];
    let places = [20, 70].map(|x| Place { point: Some((x, 20)), window: None });
    for connect in drivers(&desk) {
        paste(connect().as_mut(), &guard, &places[0], "text").unwrap();
        assert_eq!(boxes.map(|window| has_note(&stranger, window)), [true, false]);
        assert!(!has_note(&stranger, around));
        stranger.delete_property(boxes[0], note(&stranger)).unwrap().check().unwrap();
    }
}
