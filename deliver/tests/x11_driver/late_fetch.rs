//! A target that fetches only when its sender has gone, and others have offered since: never the text of another message.

use deliver::{
    agent_windows::Behaviour,
    desktop::{Desktop as _, Place},
};
use lock_core::Moment;
use tests::{clipboard, require};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, InputFocus, Window, WindowClass},
    },
    rust_connection::RustConnection,
};

use crate::desk::{DEADLINE, Desk, ONCE, deliver, guard, paste};

/// A window that takes the focus and asks for the clipboard when it is told to.
struct Slow {
    x: RustConnection,
    window: Window,
}

impl Slow {
    fn open(desk: &Desk) -> Self {
        let x = desk.xvfb.connect();
        let (root, window) = (x.setup().roots[0].root, x.generate_id().unwrap());
        let events = EventMask::KEY_PRESS | EventMask::BUTTON_PRESS;
        let aux = CreateWindowAux::new().override_redirect(1).event_mask(events);
        let class = WindowClass::INPUT_OUTPUT;
        x.create_window(COPY_DEPTH_FROM_PARENT, window, root, 0, 0, 300, 200, 0, class, COPY_FROM_PARENT, &aux)
            .unwrap();
        x.map_window(window).unwrap();
        let slow = Self { x, window };
        slow.take_focus();
        slow
    }

    fn take_focus(&self) {
        self.x.set_input_focus(InputFocus::POINTER_ROOT, self.window, CURRENT_TIME).unwrap().check().unwrap();
    }

    fn place() -> Place {
        Place { point: Some((50, 50)), window: None }
    }

    /// "Now", as many programs ask: no time tells which paste it is for.
    fn fetch(&self) -> Option<String> {
        let atom = |name: &[u8]| self.x.intern_atom(false, name).unwrap().reply().unwrap().atom;
        let (clipboard, text) = (atom(b"CLIPBOARD"), atom(b"UTF8_STRING"));
        self.x.convert_selection(self.window, clipboard, text, text, CURRENT_TIME).unwrap();
        self.x.flush().unwrap();
        loop {
            if let Event::SelectionNotify(answer) = self.x.wait_for_event().unwrap() {
                let read = self.x.get_property(true, self.window, text, AtomEnum::ANY, 0, 1000).unwrap();
                let read = read.reply().unwrap().value;
                return (answer.property != NONE).then(|| String::from_utf8(read).unwrap());
            }
        }
    }
}

fn read(desk: &Desk) -> Option<String> {
    clipboard::read(desk.display(), clipboard::Selection::Clipboard, DEADLINE)
}

#[test]
fn of_a_sender_that_has_gone_is_answered_with_its_own_text() {
    require!("Xvfb");
    let (desk, guard) = (Desk::with(4, Behaviour::default()), guard());
    let slow = Slow::open(&desk);
    let mut gone = desk.driver();
    paste(&mut gone, &guard, &Slow::place(), "for the slow one").unwrap();
    drop(gone);
    let (mut next, _in_line) = (desk.driver(), desk.driver());
    deliver(&mut next, &guard, &desk.point(3), "for another", ONCE).unwrap();
    assert_eq!(slow.fetch().as_deref(), Some("for the slow one"));
    assert_eq!(read(&desk).as_deref(), Some("for another"), "the others are not concerned");
    // What is meant for it ends that.
    slow.take_focus();
    let target = paste(&mut next, &guard, &Slow::place(), "and one more").unwrap();
    assert_eq!(slow.fetch().as_deref(), Some("and one more"));
    next.await_fetched(&target, ONCE, Moment::now() + DEADLINE).unwrap();
    next.restore(&guard.permit()).unwrap();
    deliver(&mut next, &guard, &desk.point(3), "the last", ONCE).unwrap();
    assert_eq!(slow.fetch().as_deref(), Some("the last"), "it has had its text, and asks as anybody does");
}
