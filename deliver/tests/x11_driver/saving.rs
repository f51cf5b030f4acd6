//! What the clipboard held before a delivery is saved, from an owner that may be slow or hang, and put back.

use std::{
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use deliver::agent_windows::Behaviour;
use lock_core::Moment;
use tests::{
    clipboard::{self, Answer, ClipboardOwner},
    messages::Messages,
    probe::until,
    require,
};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{
            Atom, AtomEnum, ConnectionExt as _, EventMask, PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent,
            SelectionRequestEvent,
        },
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::{
    desk::{DEADLINE, Desk, ONCE, deliver, guard},
    keeping::{atom, client, convert, read},
};

/// Name, bits of an element, and bytes.
type Format = (String, u8, Vec<u8>);

/// A stranger's clipboard, with one format that is listed and refused.
struct Formats {
    served: Receiver<Atom>,
}

/// Each answer comes after a `pause`.
fn own_formats(display: &str, formats: Vec<Format>, pause: Duration) -> Formats {
    let (connection, window) = client(display);
    let clipboard = atom(&connection, "CLIPBOARD");
    connection.set_selection_owner(window, clipboard, CURRENT_TIME).unwrap();
    assert_eq!(connection.get_selection_owner(clipboard).unwrap().reply().unwrap().owner, window);
    let (report, served) = channel();
    thread::spawn(move || {
        while let Ok(event) = connection.wait_for_event() {
            let Event::SelectionRequest(request) = event else { continue };
            thread::sleep(pause);
            let property = answer(&connection, &request, &formats);
            report.send(request.target).ok();
            let notice = SelectionNotifyEvent {
                response_type: SELECTION_NOTIFY_EVENT,
                sequence: 0,
                time: request.time,
                requestor: request.requestor,
                selection: request.selection,
                target: request.target,
                property,
            };
            connection.send_event(false, request.requestor, EventMask::NO_EVENT, notice).unwrap();
            connection.flush().unwrap();
        }
    });
    Formats { served }
}

fn answer(connection: &RustConnection, request: &SelectionRequestEvent, formats: &[Format]) -> Atom {
    let (requestor, property) = (request.requestor, request.property);
    if request.target == atom(connection, "TARGETS") {
        let mut targets: Vec<Atom> = formats.iter().map(|(name, ..)| atom(connection, name)).collect();
        targets.extend([atom(connection, "TARGETS"), atom(connection, "application/x-refused")]);
        connection.change_property32(PropMode::REPLACE, requestor, property, AtomEnum::ATOM, &targets).unwrap();
        return property;
    }
    for (name, bits, bytes) in formats {
        let kind = atom(connection, name);
        if request.target == kind {
            let elements = u32::try_from(bytes.len()).unwrap() / u32::from(*bits / 8);
            connection.change_property(PropMode::REPLACE, requestor, property, kind, *bits, elements, bytes).unwrap();
            return property;
        }
    }
    NONE
}

#[test]
fn what_was_there_is_put_back_after_each_delivery_in_pieces_too() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let before = Messages::new(9).of_length(400 * 1024);
    let person =
        ClipboardOwner::own(desk.display(), clipboard::Selection::Clipboard, &before, Answer::Pieces(64 * 1024));
    for nth in 0..3 {
        deliver(&mut driver, &guard, &desk.point(0), &nth.to_string(), ONCE).unwrap();
        until(DEADLINE, "it is back", || read(desk.display()).as_ref() == Some(&before));
    }
    // The former owner may go: its content stays.
    drop(person);
    drop(driver);
    assert_eq!(read(desk.display()), Some(before));
}

#[test]
fn all_formats_are_put_back_as_they_were() {
    require!("Xvfb");
    let formats = vec![
        ("text/html".to_owned(), 8, b"<b>bold</b>".to_vec()),
        ("image/png".to_owned(), 8, b"\x89PNG\x00\xff\x00".to_vec()),
        ("application/x-shorts".to_owned(), 16, b"\x01\x02\x03\x04".to_vec()),
    ];
    let desk = Desk::with(1, Behaviour::default());
    let person = own_formats(desk.display(), formats.clone(), Duration::ZERO);
    deliver(&mut desk.driver(), &guard(), &desk.point(0), "text", ONCE).unwrap();
    assert_eq!(person.served.try_iter().count(), formats.len() + 2, "each format is asked for once, and the list");
    are_put_back(&desk, &formats);
    assert_eq!(convert(desk.display(), "application/x-refused"), None);
}

fn are_put_back(desk: &Desk, formats: &[Format]) {
    until(DEADLINE, "the stranger's formats are back", || convert(desk.display(), "UTF8_STRING").is_none());
    for (name, bits, bytes) in formats {
        assert_eq!(convert(desk.display(), name), Some((*bits, bytes.clone())), "{name}");
    }
}

fn many(count: usize) -> Vec<Format> {
    (0..count).map(|nth| (format!("application/x-format-{nth}"), 8, nth.to_string().into_bytes())).collect()
}

/// As long as it is heard of again and again it is alive, as any program on a busy machine.
#[test]
fn of_a_slow_owner_nothing_is_lost() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let formats = many(20);
    let _person = own_formats(desk.display(), formats.clone(), Duration::from_millis(40));
    deliver(&mut desk.driver(), &guard(), &desk.point(0), "text", ONCE).unwrap();
    are_put_back(&desk, &formats);
    assert_eq!(desk.submitted(1), [(0, "text".to_owned())]);
}

#[test]
fn an_owner_that_comes_to_no_end_is_not_waited_for() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    // Of so many formats the last would come after ten seconds.
    let formats = many(50);
    let person = own_formats(desk.display(), formats.clone(), Duration::from_millis(200));
    deliver(&mut desk.driver(), &guard(), &desk.point(0), "text", ONCE).unwrap();
    let served = person.served.try_iter().count();
    assert!(served < formats.len(), "{served} formats were waited for");
    assert_eq!(desk.submitted(1), [(0, "text".to_owned())]);
}

#[test]
fn a_former_owner_that_hangs_delays_a_delivery_for_a_moment_only() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let _person = ClipboardOwner::own(desk.display(), clipboard::Selection::Clipboard, "held back", Answer::Never);
    let (mut driver, guard) = (desk.driver(), guard());
    let began = Moment::now();
    deliver(&mut driver, &guard, &desk.point(0), "text", ONCE).unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(desk.submitted(1), [(0, "text".to_owned())]);
}
