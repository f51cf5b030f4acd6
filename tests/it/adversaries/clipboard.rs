//! Others at the clipboard: thieves, and readers that are not the target.

use std::{sync::atomic::AtomicBool, time::Duration};

use deliver::agent_windows::{Behaviour, Fetch, Options};
use tests::clipboard::{Answer, ClipboardOwner, Selection};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, Window, WindowClass},
    },
    rust_connection::RustConnection,
};

use super::{
    bout::Bout,
    dice::Dice,
    focus::send_in_turn,
    strike::{Step, Watcher, beside, delayed},
    verdict::Tally,
};

/// What a thief puts in the place of the text.
const LOOT: &str = "stolen";

/// Another client takes the clipboard over, 0 to 50 ms after each time that somebody else has taken it.
pub(crate) fn thief(bout: Bout) -> Tally {
    let behaviour = Behaviour { fetch: Fetch::AfterMs(10), ..Behaviour::default() };
    let mut arena = bout.arena(&Options { count: 2, behaviour, ..Options::default() });
    let display = arena.display().to_owned();
    let watcher = Watcher::on(&display);
    let steal = move |over: &AtomicBool| {
        let mut dice = Dice::new(bout.seed);
        let mut loot: Option<ClipboardOwner> = None;
        while let Some((step, owner)) = watcher.next(over) {
            let is_own = loot.as_ref().is_some_and(|loot| loot.window() == owner);
            if step == Step::Offer && !is_own && delayed(dice.time(Duration::from_millis(50)), over) {
                loot = ClipboardOwner::try_own(&display, Selection::Clipboard, LOOT, Answer::Whole);
            }
        }
    };
    beside(steal, || send_in_turn(&mut arena, bout.deliveries));
    arena.verdict()
}

/// A clipboard manager: it asks for the list of formats and for every format of it, whenever the clipboard changes hands.
pub(crate) fn manager(bout: Bout) -> Tally {
    let mut arena = bout.arena(&Options { count: 2, ..Options::default() });
    let reader = Reader::on(arena.display());
    let watcher = Watcher::on(arena.display());
    let read = move |over: &AtomicBool| {
        while let Some((step, owner)) = watcher.next(over) {
            if step == Step::Offer && owner != NONE {
                reader.read_everything();
            }
        }
    };
    beside(read, || send_in_turn(&mut arena, bout.deliveries));
    arena.verdict()
}

/// Another client reads the text as soon as it is offered; the target comes later, or never (every second one).
pub(crate) fn early_reader(bout: Bout) -> Tally {
    let fetch = [Fetch::AfterMs(20), Fetch::Never];
    let mut tally = Tally::default();
    for (half, fetch) in fetch.into_iter().enumerate() {
        let behaviour = Behaviour { fetch, ..Behaviour::default() };
        let mut arena = bout.impatient_arena(&Options { count: 2, behaviour, ..Options::default() });
        let reader = Reader::on(arena.display());
        let watcher = Watcher::on(arena.display());
        let read = move |over: &AtomicBool| {
            while let Some((step, owner)) = watcher.next(over) {
                if step == Step::Offer && owner != NONE {
                    reader.read_text();
                }
            }
        };
        beside(read, || send_in_turn(&mut arena, (bout.deliveries + half) / 2));
        if fetch == Fetch::Never {
            assert!(arena.sent().iter().all(|sent| sent.exit == 5), "a reader was taken for the target");
        }
        tally += arena.verdict();
    }
    tally
}

/// A client with a window that nobody sees, that asks and forgets the answers.
struct Reader {
    x: RustConnection,
    window: Window,
    clipboard: Atom,
    targets: Atom,
    text: Atom,
    timestamp: Atom,
}

impl Reader {
    fn on(display: &str) -> Self {
        let (x, screen) = RustConnection::connect(Some(display)).expect("the display is there");
        let root = x.setup().roots[screen].root;
        let window = x.generate_id().expect("an id");
        let (class, aux) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        x.create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &aux).expect("request").check().expect("a window");
        let atom = |name: &[u8]| x.intern_atom(false, name).expect("request").reply().expect("an atom").atom;
        let (clipboard, targets) = (atom(b"CLIPBOARD"), atom(b"TARGETS"));
        let (text, timestamp) = (atom(b"UTF8_STRING"), atom(b"TIMESTAMP"));
        Self { x, window, clipboard, targets, text, timestamp }
    }

    fn read_text(&self) {
        self.ask(&[self.text]);
    }

    /// All at once, as managers do; what the list names is asked for when it comes.
    fn read_everything(&self) {
        self.ask(&[self.targets, self.text, AtomEnum::STRING.into(), self.timestamp]);
        while let Ok(Some(event)) = self.x.poll_for_event() {
            if let Event::SelectionNotify(answer) = event
                && answer.target == self.targets
                && answer.property != NONE
            {
                let list = self.x.get_property(true, self.window, answer.property, AtomEnum::ANY, 0, 256);
                let list = list.ok().and_then(|asked| asked.reply().ok());
                let formats: Vec<Atom> = list.and_then(|list| Some(list.value32()?.collect())).unwrap_or_default();
                self.ask(&formats);
            }
        }
    }

    fn ask(&self, formats: &[Atom]) {
        for format in formats {
            let _ = self.x.convert_selection(self.window, self.clipboard, *format, *format, CURRENT_TIME);
        }
        let _ = self.x.get_input_focus().map(|asked| asked.reply());
    }
}
