//! A target that pauses in the middle of its paste, and drops the text when the clipboard changes hands meanwhile, as
//! Chromium does.

use std::time::Duration;

use deliver::{
    Profile, Receipt, State,
    desktop::{Place, x11::X11Desktop},
};
use lock_core::Moment;
use tests::{clipboard, probe::until_some, require, xvfb::Xvfb};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::{
        Event,
        xfixes::{ConnectionExt as _, SelectionEventMask},
        xproto::{Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, InputFocus, Window, WindowClass},
    },
    rust_connection::RustConnection,
};

use crate::{
    desk::{DEADLINE, keeper_command},
    sender::Sender,
};

/// What Chromium asks for in one paste: lists of formats, and the text twice.
const PASTE: &str = "LLTLLLLLLLLLTLLLL";
/// How long the target pauses after Enter: longer than it takes to give the clipboard back to who had it before.
const PAUSE: Duration = Duration::from_millis(600);

/// Where the target pauses until Enter was pressed, and after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    BeforeTheLastRequest,
    /// With the last answer before its eyes.
    BeforeTakingTheLastAnswer,
    /// It never makes the last request.
    ForEver,
}

/// A text box whose paste is in the test's hand.
struct Browser {
    x: RustConnection,
    window: Window,
    clipboard: Atom,
    list: Atom,
    text: Atom,
    property: Atom,
    pasting: bool,
    answered: bool,
    /// The clipboard has changed hands since the paste began.
    changed: bool,
    submitted: bool,
}

impl Browser {
    fn open(xvfb: &Xvfb) -> Self {
        let x = xvfb.connect();
        let atom = |name: &str| x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        let (clipboard, list, text) = (atom("CLIPBOARD"), atom("TARGETS"), atom("UTF8_STRING"));
        let property = atom("PASTED");
        let window = x.generate_id().unwrap();
        let events = EventMask::KEY_PRESS | EventMask::BUTTON_PRESS;
        let aux = CreateWindowAux::new().override_redirect(1).event_mask(events);
        let (root, class) = (x.setup().roots[0].root, WindowClass::INPUT_OUTPUT);
        x.create_window(COPY_DEPTH_FROM_PARENT, window, root, 0, 0, 400, 300, 0, class, COPY_FROM_PARENT, &aux)
            .unwrap();
        x.map_window(window).unwrap();
        x.xfixes_query_version(5, 0).unwrap().reply().unwrap();
        let owners = SelectionEventMask::SET_SELECTION_OWNER;
        x.xfixes_select_selection_input(window, clipboard, owners).unwrap().check().unwrap();
        let (pasting, answered, changed, submitted) = (false, false, false, false);
        Self { x, window, clipboard, list, text, property, pasting, answered, changed, submitted }
    }

    /// Handles what has happened.
    fn look(&mut self) {
        while let Some(event) = self.x.poll_for_event().unwrap() {
            match event {
                Event::ButtonPress(click) => {
                    self.x.set_input_focus(InputFocus::POINTER_ROOT, self.window, click.time).unwrap();
                    self.x.flush().unwrap();
                }
                // Control itself comes without a state, before the paste.
                Event::KeyPress(key) if u16::from(key.state) != 0 => self.pasting = true,
                Event::KeyPress(_) => self.submitted = self.pasting,
                Event::SelectionNotify(_) => self.answered = true,
                Event::XfixesSelectionNotify(_) => self.changed |= self.pasting,
                _ => {}
            }
        }
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        until_some(DEADLINE, what, || {
            self.look();
            condition(self).then_some(())
        });
    }

    /// One request; its answer lies there until it is taken.
    fn ask(&mut self, target: Atom) -> Vec<u8> {
        self.answered = false;
        self.x.convert_selection(self.window, self.clipboard, target, self.property, CURRENT_TIME).unwrap();
        self.x.flush().unwrap();
        self.until("the request is answered", |browser| browser.answered);
        let answer = self.x.get_property(false, self.window, self.property, AtomEnum::ANY, 0, 1000).unwrap();
        answer.reply().unwrap().value
    }

    fn take(&self) {
        self.x.delete_property(self.window, self.property).unwrap();
        self.x.flush().unwrap();
    }

    fn pause(&mut self) {
        self.until("Enter is pressed", |browser| browser.submitted);
        let pressed = Moment::now();
        self.until("the pause is over", |browser| browser.changed || pressed.elapsed() >= PAUSE);
    }

    /// One paste, and what Enter submitted.
    fn paste(&mut self, pause: Pause) -> String {
        self.until("the paste key is pressed", |browser| browser.pasting);
        let mut text = Vec::new();
        for (nth, kind) in PASTE.chars().enumerate() {
            let last = nth + 1 == PASTE.len();
            if last && pause != Pause::BeforeTakingTheLastAnswer {
                self.pause();
                if pause == Pause::ForEver {
                    break;
                }
            }
            match kind {
                'T' => text = self.ask(self.text),
                _ => drop(self.ask(self.list)),
            }
            if last && pause == Pause::BeforeTakingTheLastAnswer {
                self.pause();
            }
            self.take();
        }
        if self.changed { String::new() } else { String::from_utf8(text).unwrap() }
    }
}

/// Sends a text into a browser that pauses; what came of it, and what was submitted there.
fn send(xvfb: &Xvfb, pause: Pause, fetch_timeout: Duration) -> (Receipt, String) {
    let mut browser = Browser::open(xvfb);
    let display = xvfb.display().to_owned();
    let sender = Sender::by(move || Ok(Box::new(X11Desktop::connect(Some(&display), &keeper_command())?)));
    let profile = Profile { fetch_timeout, ..Profile::named("chromium").unwrap() };
    assert_eq!(usize::try_from(profile.requests).unwrap(), PASTE.len());
    let place = Place { point: Some((200, 150)), window: None };
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| sender.send("browser", place, &profile, "the text"));
        let text = browser.paste(pause);
        (sent.join().unwrap(), text)
    })
}

#[test]
fn the_clipboard_does_not_change_hands_before_a_paste_has_ended() {
    require!("Xvfb");
    for pause in [Pause::BeforeTheLastRequest, Pause::BeforeTakingTheLastAnswer] {
        let (receipt, text) = send(&Xvfb::start(), pause, DEADLINE);
        assert_eq!((receipt.state, text.as_str()), (State::Submitted, "the text"), "{receipt:?}");
    }
}

#[test]
fn a_paste_whose_end_is_not_seen_is_not_claimed_and_finds_the_text_still() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let (receipt, _) = send(&xvfb, Pause::ForEver, Duration::from_secs(5));
    let reason = receipt.reason.unwrap();
    assert_eq!((receipt.state, reason.code.as_ref()), (State::Uncertain, "paste_unfinished"), "{reason:?}");
    assert!(reason.message.contains("16 requests, 17 are"), "{}", reason.message);
    let there = clipboard::read(xvfb.display(), clipboard::Selection::Clipboard, DEADLINE);
    assert_eq!(there.as_deref(), Some("the text"));
}
