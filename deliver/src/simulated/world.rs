//! What happens on the simulated desktop: input, and what it causes later.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use lock_core::Moment;

use super::{
    DesktopConfig, Fault, Log, Submitted, WindowLog,
    clipboard::{Actor, Clipboard},
    delays::Delays,
    window::{Fetching, Window},
};
use crate::desktop::{Chord, Selection};

/// Focus after a click, in microseconds: as measured under a window manager, and slower.
const FOCUS_US: (u64, u64) = (200, 4000);
/// The first fetch after a paste.
const FETCH_US: (u64, u64) = (300, 5000);
/// Between two fetches of one paste, as in browsers.
const NEXT_FETCH_US: (u64, u64) = (2000, 8000);
/// Longest input box: what is typed beyond it is lost, as in a field with a limit.
const DRAFT_BYTES_MAX: usize = 1 << 20;

pub(super) struct World {
    pub(super) windows: Vec<Window>,
    pub(super) pointer: (i32, i32),
    pub(super) focus: Option<usize>,
    clipboards: [Clipboard; 2],
    /// Somebody grabs the keyboard.
    pub(super) grabbed: bool,
    /// Who last clicked or pressed a key.
    pub(super) last_input: Option<Actor>,
    /// When a person last did something.
    pub(super) person_at: Option<Instant>,
    /// Faults that wait for their step.
    pub(super) faults: Vec<Fault>,
    lost_keys: u32,
    submissions: u64,
    delays: Delays,
    started: Instant,
    started_ns: u64,
    pending: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    /// Fetches that are due and not let happen.
    held: Vec<Event>,
    events: u64,
}

/// What input causes later. The order is only a tie-break of the heap, never reached: each has a number before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Focus { window: usize },
    Fetch { window: usize, primary: bool, left: u32, between: Duration },
}

impl World {
    pub(super) fn new(config: &DesktopConfig) -> Self {
        Self {
            windows: (0..config.windows).map(|index| Window::new(index, config.fetches)).collect(),
            pointer: (0, 0),
            focus: None,
            clipboards: Default::default(),
            grabbed: false,
            last_input: None,
            person_at: None,
            faults: Vec::new(),
            lost_keys: 0,
            submissions: 0,
            delays: Delays::new(config.seed),
            started: Instant::now(),
            started_ns: Moment::now().since_boot_ns(),
            pending: BinaryHeap::new(),
            held: Vec::new(),
            events: 0,
        }
    }

    pub(super) const fn clipboard(&mut self, selection: Selection) -> &mut Clipboard {
        match selection {
            Selection::Clipboard => &mut self.clipboards[0],
            Selection::Primary => &mut self.clipboards[1],
        }
    }

    /// Does what is due; says when the next thing is.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse((due, _, _))) = self.pending.peek() {
            if *due > now {
                return Some(*due);
            }
            if let Some(Reverse((due, _, event))) = self.pending.pop() {
                self.happen(event, due);
            }
        }
        None
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.events += 1;
        self.pending.push(Reverse((Instant::now() + after, self.events, event)));
    }

    fn happen(&mut self, event: Event, due: Instant) {
        match event {
            Event::Focus { window } => {
                if !self.windows[window].closed {
                    self.focus = Some(window);
                }
            }
            Event::Fetch { window, .. } if self.windows[window].closed => {}
            Event::Fetch { window, .. } if self.windows[window].may_fetch == Some(0) => self.held.push(event),
            Event::Fetch { window, primary, left, between } => {
                self.windows[window].may_fetch = self.windows[window].may_fetch.map(|left| left - 1);
                let selection = if primary { Selection::Primary } else { Selection::Clipboard };
                let text = self.clipboard(selection).fetch(Some(window), due.max(Instant::now()));
                if left > 1 {
                    self.later(between, Event::Fetch { window, primary, left: left - 1, between });
                } else {
                    self.write(window, &text);
                }
            }
        }
    }

    /// Lets the window make one fetch more.
    pub(super) fn let_fetch(&mut self, window: usize) {
        let may_fetch = &mut self.windows[window].may_fetch;
        *may_fetch = may_fetch.map(|left| left.saturating_add(1));
        let held = |event: &Event| matches!(event, Event::Fetch { window: of, .. } if *of == window);
        if let Some(at) = self.held.iter().position(held) {
            let event = self.held.remove(at);
            self.happen(event, Instant::now());
        }
    }

    fn write(&mut self, window: usize, text: &str) {
        let draft = &mut self.windows[window].draft;
        if draft.len() + text.len() <= DRAFT_BYTES_MAX {
            draft.push_str(text);
        }
    }

    /// The topmost agent window at `point`, unless something covers it.
    pub(super) fn window_at(&self, point: (i32, i32)) -> Option<usize> {
        self.windows.iter().position(|window| !window.closed && !window.covered && window.holds(point))
    }

    /// A click where the pointer is: the focus follows later.
    pub(super) fn click(&mut self, actor: Actor) {
        self.last_input = Some(actor);
        let after = self.delays.next(FOCUS_US.0, FOCUS_US.1);
        if let Some(window) = self.window_at(self.pointer) {
            self.later(after, Event::Focus { window });
        }
    }

    /// A chord goes to what has the focus now. Whether there is such a key.
    pub(super) fn chord(&mut self, actor: Actor, chord: &Chord) -> bool {
        let Some(stroke) = Stroke::of(chord) else { return false };
        self.last_input = Some(actor);
        let Some(focus) = self.focus else {
            self.lost_keys = self.lost_keys.saturating_add(1);
            return true;
        };
        match stroke {
            Stroke::Nothing => {}
            Stroke::Type(c) => self.write(focus, c.encode_utf8(&mut [0; 4])),
            Stroke::Submit => self.submit(focus),
            Stroke::Paste(selection) => {
                // Both are drawn here, at the request: what is drawn when must not depend on how fast the machine is.
                let first = self.delays.next(FETCH_US.0, FETCH_US.1);
                let between = self.delays.next(NEXT_FETCH_US.0, NEXT_FETCH_US.1);
                if let Some(Fetching { count, extra }) = self.windows[focus].fetch {
                    let primary = selection == Selection::Primary;
                    let between = between + extra;
                    self.later(first + extra, Event::Fetch { window: focus, primary, left: count, between });
                }
            }
        }
        true
    }

    /// A person types into what has the focus.
    pub(super) fn person_types(&mut self, text: &str) {
        self.last_input = Some(Actor::Stranger);
        self.person_at = Some(Instant::now());
        if let Some(focus) = self.focus {
            self.write(focus, text);
        }
    }

    fn submit(&mut self, window: usize) {
        let text = std::mem::take(&mut self.windows[window].draft);
        let at_ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        self.windows[window].submitted.push(Submitted { text, order: self.submissions, at_ms });
        self.submissions += 1;
    }

    pub(super) fn close(&mut self, window: usize) {
        self.windows[window].closed = true;
        if self.focus == Some(window) {
            self.focus = None;
        }
    }

    /// Whether something that was caused has not happened yet.
    pub(super) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn log(&self) -> Log {
        let window = |window: &Window| WindowLog {
            title: window.title.clone(),
            submitted: window.submitted.clone(),
            draft: window.draft.clone(),
            closed: window.closed,
        };
        Log {
            windows: self.windows.iter().map(window).collect(),
            started_ns: self.started_ns,
            lost_keys: self.lost_keys,
            clipboard: self.clipboards[0].text.clone(),
            pointer: self.pointer,
        }
    }
}

/// What a chord does in an agent window.
enum Stroke {
    Type(char),
    Paste(Selection),
    Submit,
    Nothing,
}

impl Stroke {
    fn of(chord: &Chord) -> Option<Self> {
        let Chord { ctrl, shift, alt, key } = chord;
        Some(match (key.as_str(), ctrl, shift, alt) {
            ("return", _, false, false) => Self::Submit,
            ("return", false, true, false) => Self::Type('\n'),
            ("v", true, _, false) => Self::Paste(Selection::Clipboard),
            ("insert", false, true, false) => Self::Paste(Selection::Primary),
            ("space", false, _, false) => Self::Type(' '),
            ("tab", false, false, false) => Self::Type('\t'),
            ("return" | "insert" | "tab" | "space", ..) => Self::Nothing,
            (single, ctrl, shift, alt) => {
                let c = single.chars().next().filter(|_| single.len() == 1)?;
                match (*ctrl || *alt, *shift) {
                    (true, _) => Self::Nothing,
                    (false, true) => Self::Type(c.to_ascii_uppercase()),
                    (false, false) => Self::Type(c),
                }
            }
        })
    }
}
