//! Programs that ask for the clipboard again as soon as they have been answered.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use deliver::agent_windows::Behaviour;
use tests::{
    clipboard::{Answer, ClipboardOwner, Selection},
    require,
};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{ConnectionExt as _, CreateWindowAux, WindowClass},
    },
    rust_connection::RustConnection,
};

use crate::desk::{Desk, ONCE, deliver, guard};

const ASKERS: usize = 8;

/// Asks until `done`; how many answers came, and how many of them were refusals.
fn ask_all_the_time(display: &str, asking: &Barrier, done: &AtomicBool) -> (usize, usize) {
    let (client, screen) = RustConnection::connect(Some(display)).unwrap();
    let (window, root) = (client.generate_id().unwrap(), client.setup().roots[screen].root);
    let (class, plain) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
    client.create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &plain).unwrap().check().unwrap();
    let atom = |name: &[u8]| client.intern_atom(false, name).unwrap().reply().unwrap().atom;
    let (clipboard, text) = (atom(b"CLIPBOARD"), atom(b"UTF8_STRING"));
    let (mut answered, mut refused) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        client.convert_selection(window, clipboard, text, text, CURRENT_TIME).unwrap();
        client.flush().unwrap();
        loop {
            if let Event::SelectionNotify(answer) = client.wait_for_event().unwrap() {
                answered += 1;
                refused += usize::from(answer.property == NONE);
                break;
            }
        }
        if answered == 1 {
            asking.wait();
        }
    }
    (answered, refused)
}

#[test]
fn keep_no_sender_waiting_and_are_never_refused_between_two_offers() {
    require!("Xvfb");
    let desk = Desk::with(2, Behaviour::default());
    let _person = ClipboardOwner::own(desk.display(), Selection::Clipboard, "a person's", Answer::Whole);
    let (mut drivers, guard) = ([desk.driver(), desk.driver()], guard());
    // From here on the keeper owns the clipboard: whoever is in line does not have it put back.
    deliver(&mut drivers[0], &guard, &desk.point(0), "0", ONCE).unwrap();
    let (asking, done) = (Barrier::new(ASKERS + 1), AtomicBool::new(false));
    let asked = thread::scope(|scope| {
        let askers = [(); ASKERS].map(|()| scope.spawn(|| ask_all_the_time(desk.display(), &asking, &done)));
        asking.wait();
        let delivered = (1..40).try_for_each(|nth| {
            deliver(&mut drivers[nth % 2], &guard, &desk.point(nth % 2), &nth.to_string(), ONCE).map(drop)
        });
        // Whatever came of it, or the askers would go on for ever.
        done.store(true, Ordering::Relaxed);
        delivered.unwrap();
        askers.map(|asker| asker.join().unwrap())
    });
    let expected: Vec<_> = (0..40).map(|nth: usize| (nth % 2, nth.to_string())).collect();
    let mut submitted = desk.submitted(40);
    // Two windows are two threads: the last of one may be logged after the first of the other.
    submitted.sort_by_key(|(_, text)| text.parse::<usize>().unwrap());
    assert_eq!(submitted, expected);
    let (answered, refused) = asked.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(answered > ASKERS && refused == 0, "{refused} of {answered} were refused");
}
