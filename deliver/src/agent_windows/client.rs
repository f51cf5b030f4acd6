//! One application with its windows, and the thread that serves it.

use std::collections::VecDeque;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::NONE;
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, ButtonPressEvent, ConnectionExt as _, InputFocus, KeyPressEvent, Property, PropertyNotifyEvent,
    SelectionNotifyEvent, Window,
};
use x11rb::rust_connection::RustConnection;

use super::behaviour::{Behaviour, Options, Waiting};
use super::error::AgentWindowsError;
use super::inbox::{Draft, Inbox};
use super::keyboard::{Keyboard, Meaning};
use super::layout::{AgentWindow, cells};
use super::paste::{Atoms, Paste, Step};
use super::window::TextWindow;

/// How long a window manager may take to show a window.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// What the owner of the windows asks the thread that serves them.
#[derive(Debug)]
pub(super) enum Wish {
    /// What stands in the windows.
    Drafts(Sender<Vec<Draft>>),
    /// Close the window of this index, if it is one of this client.
    Close(usize, Sender<()>),
}

/// The owner's end of a client. Dropping it ends the client.
#[derive(Debug)]
pub(super) struct Wishes {
    wishes: Sender<Wish>,
    bell: UnixStream,
}

impl Wishes {
    pub(super) fn send(&self, wish: Wish) -> Result<(), AgentWindowsError> {
        self.wishes.send(wish).map_err(|_| AgentWindowsError::Gone)?;
        rustix::io::write(&self.bell, b"!").map(drop).map_err(|_| AgentWindowsError::Gone)
    }
}

/// One X11 connection with its windows: an application.
#[derive(Debug)]
pub(super) struct Client {
    connection: RustConnection,
    root: Window,
    atoms: Atoms,
    /// Properties that texts are put into, one per paste that a window can have under way.
    slots: Vec<Atom>,
    keyboard: Keyboard,
    behaviour: Behaviour,
    windows: Vec<TextWindow>,
    /// Input that the application has not got round to.
    input: VecDeque<Event>,
    /// Answers that the application has not noticed.
    unnoticed: Vec<SelectionNotifyEvent>,
    inbox: Arc<Inbox>,
    wishes: Receiver<Wish>,
    bell: UnixStream,
}

impl Client {
    /// Connects and creates the windows `indices`.
    pub(super) fn open(
        options: &Options,
        indices: Range<usize>,
        inbox: Arc<Inbox>,
    ) -> Result<(Self, Wishes), AgentWindowsError> {
        let display = options.display.as_deref();
        let (connection, screen) = RustConnection::connect(display)
            .map_err(|source| AgentWindowsError::Connect { display: options.display.clone(), source })?;
        let screen = connection.setup().roots[screen].clone();
        let size = (screen.width_in_pixels, screen.height_in_pixels);
        let cells =
            cells(options.count, indices.clone(), size).ok_or(AgentWindowsError::NoRoom { windows: options.count })?;
        let windows = indices
            .zip(cells)
            .map(|(index, cell)| TextWindow::create(&connection, &screen, options, index, cell))
            .collect::<Result<_, _>>()?;
        let atom = |name: &[u8]| Ok::<_, AgentWindowsError>(connection.intern_atom(false, name)?.reply()?.atom);
        let atoms = Atoms {
            clipboard: atom(b"CLIPBOARD")?,
            targets: atom(b"TARGETS")?,
            utf8: atom(b"UTF8_STRING")?,
            incr: atom(b"INCR")?,
        };
        let keyboard = Keyboard::read(&connection)?;
        let (wishes, to_do) = channel();
        let (ring, bell) =
            UnixStream::pair().map_err(|source| AgentWindowsError::System { what: "make a socket pair", source })?;
        let client = Self {
            connection,
            root: screen.root,
            atoms,
            slots: Vec::new(),
            keyboard,
            behaviour: options.behaviour.clone(),
            windows,
            input: VecDeque::new(),
            unnoticed: Vec::new(),
            inbox,
            wishes: to_do,
            bell,
        };
        Ok((client, Wishes { wishes, bell: ring }))
    }

    /// Waits until all its windows are on the screen.
    pub(super) fn shown(&self, options: &Options) -> Result<Vec<AgentWindow>, AgentWindowsError> {
        let deadline = Instant::now() + SHOWN_WITHIN;
        let mut shown = Vec::new();
        for window in &self.windows {
            loop {
                if let Some(window) = window.shown(&self.connection, self.root)? {
                    shown.push(window);
                    break;
                }
                if !options.managed || Instant::now() > deadline {
                    return Err(AgentWindowsError::NotShown { title: window.title.clone() });
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(shown)
    }

    /// Serves the windows until nobody can wish for anything any more.
    pub(super) fn run(mut self) -> Result<(), AgentWindowsError> {
        loop {
            self.handle_all()?;
            self.do_what_is_due()?;
            self.connection.flush()?;
            // Sending may have read events into memory, which no poll of the socket would report.
            if let Some(event) = self.connection.poll_for_event()? {
                self.handle(event)?;
                continue;
            }
            if self.sleep()? && !self.grant()? {
                return Ok(());
            }
        }
    }

    fn handle_all(&mut self) -> Result<(), AgentWindowsError> {
        while let Some(event) = self.connection.poll_for_event()? {
            self.handle(event)?;
        }
        Ok(())
    }

    /// Sleeps until there is something to do; `true` when the bell rang.
    fn sleep(&self) -> Result<bool, AgentWindowsError> {
        let due = self.windows.iter().flat_map(|window| &window.pastes).map(Paste::wakes_at).min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut sources =
            [PollFd::new(self.connection.stream(), PollFlags::IN), PollFd::new(&self.bell, PollFlags::IN)];
        match poll(&mut sources, left.as_ref()) {
            Ok(_) => Ok(!sources[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(AgentWindowsError::System { what: "wait for the display", source: error.into() }),
        }
    }

    /// Grants what was wished for; `false` when the owner is gone.
    fn grant(&mut self) -> Result<bool, AgentWindowsError> {
        let mut rings = [0; 16];
        let read = self.bell.read(&mut rings);
        let read = read.map_err(|source| AgentWindowsError::System { what: "read a socket", source })?;
        while let Ok(wish) = self.wishes.try_recv() {
            match wish {
                Wish::Drafts(answer) => {
                    self.catch_up()?;
                    // An owner that does not wait for the answer any more does not need it.
                    let _ = answer.send(self.drafts());
                }
                Wish::Close(index, answer) => {
                    self.close(index)?;
                    let _ = answer.send(());
                }
            }
        }
        Ok(read > 0)
    }

    /// Handles everything that the server had for these windows when this was called.
    fn catch_up(&mut self) -> Result<(), AgentWindowsError> {
        // The answer to any request comes after all events before it.
        self.connection.get_input_focus()?.reply()?;
        self.handle_all()
    }

    fn drafts(&self) -> Vec<Draft> {
        let draft = |window: &TextWindow| Draft {
            window: window.index,
            text: window.draft.clone(),
            pasting: !window.pastes.is_empty(),
        };
        self.windows.iter().map(draft).collect()
    }

    fn close(&mut self, index: usize) -> Result<(), AgentWindowsError> {
        for window in self.windows.iter_mut().filter(|window| window.index == index && !window.closed) {
            self.connection.destroy_window(window.id)?;
            window.closed = true;
            window.pastes.clear();
        }
        self.catch_up()
    }

    fn handle(&mut self, event: Event) -> Result<(), AgentWindowsError> {
        if self.behaviour.delay_ms > 0 {
            std::thread::sleep(Duration::from_millis(self.behaviour.delay_ms));
        }
        match event {
            Event::SelectionNotify(answer) if self.behaviour.misses_arrival => self.unnoticed.push(answer),
            Event::SelectionNotify(answer) => self.answered(answer)?,
            Event::PropertyNotify(change) => self.property_changed(change)?,
            other => {
                for answer in std::mem::take(&mut self.unnoticed) {
                    self.answered(answer)?;
                }
                self.input.push_back(other);
            }
        }
        self.take_input()
    }

    /// Takes the input that there is, up to a paste that a patient application waits for.
    fn take_input(&mut self) -> Result<(), AgentWindowsError> {
        while self.behaviour.waiting == Waiting::Impatient || !self.is_pasting() {
            match self.input.pop_front() {
                Some(Event::ButtonPress(press)) => self.clicked(press)?,
                Some(Event::KeyPress(press)) => self.pressed(press)?,
                Some(Event::MappingNotify(_)) => self.keyboard = Keyboard::read(&self.connection)?,
                Some(Event::Expose(part)) => self.paint(part.window)?,
                Some(Event::DestroyNotify(gone)) => self.gone(gone.window),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    fn is_pasting(&self) -> bool {
        self.windows.iter().any(|window| !window.pastes.is_empty())
    }

    fn clicked(&self, press: ButtonPressEvent) -> Result<(), AgentWindowsError> {
        if self.behaviour.focus_on_click {
            self.connection.set_input_focus(InputFocus::POINTER_ROOT, press.event, press.time)?;
        }
        Ok(())
    }

    fn pressed(&mut self, press: KeyPressEvent) -> Result<(), AgentWindowsError> {
        let meaning = self.keyboard.meaning(&press, self.behaviour.paste_key);
        let Some(at) = self.position(press.event) else { return Ok(()) };
        match meaning {
            Meaning::Nothing => return Ok(()),
            Meaning::Text(text) => self.windows[at].draft.push_str(&text),
            Meaning::Submit => {
                let window = &mut self.windows[at];
                let text = std::mem::take(&mut window.draft);
                window.keep(&text);
                self.inbox.take(window.index, text, press.time);
            }
            Meaning::Paste => self.begin_paste(at, press.time)?,
        }
        self.paint(press.event)
    }

    fn begin_paste(&mut self, at: usize, time: u32) -> Result<(), AgentWindowsError> {
        let used = |slot: &Atom| self.windows[at].pastes.iter().any(|paste| paste.property() == *slot);
        let slot = match self.slots.iter().find(|slot| !used(slot)) {
            Some(slot) => *slot,
            None => {
                let name = format!("AGENT_PASTE_{}", self.slots.len());
                let slot = self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom;
                self.slots.push(slot);
                slot
            }
        };
        let window = &mut self.windows[at];
        if let Some(mut paste) = Paste::begin(&self.behaviour, self.atoms, window.id, slot, time) {
            paste.due(&self.connection, self.atoms)?;
            window.pastes.push(paste);
        }
        Ok(())
    }

    fn answered(&mut self, answer: SelectionNotifyEvent) -> Result<(), AgentWindowsError> {
        let Some(at) = self.position(answer.requestor) else { return Ok(()) };
        let refused = answer.property == NONE;
        let mut pastes = self.windows[at].pastes.iter_mut().enumerate();
        let asked =
            pastes.find(
                |(_, paste)| {
                    if refused { paste.is_asked_at(answer.time) } else { paste.property() == answer.property }
                },
            );
        let Some((number, paste)) = asked else { return Ok(()) };
        let step = paste.answered(&self.connection, self.atoms, refused)?;
        self.finish(at, number, step)
    }

    fn property_changed(&mut self, change: PropertyNotifyEvent) -> Result<(), AgentWindowsError> {
        if change.state != Property::NEW_VALUE {
            return Ok(());
        }
        let Some(at) = self.position(change.window) else { return Ok(()) };
        let mut pastes = self.windows[at].pastes.iter_mut().enumerate();
        let Some((number, paste)) = pastes.find(|(_, paste)| paste.property() == change.atom) else { return Ok(()) };
        let step = paste.arrived(&self.connection, self.atoms)?;
        self.finish(at, number, step)
    }

    fn do_what_is_due(&mut self) -> Result<(), AgentWindowsError> {
        for at in 0..self.windows.len() {
            // From the last to the first, for a finished one leaves the list.
            for number in (0..self.windows[at].pastes.len()).rev() {
                let step = self.windows[at].pastes[number].due(&self.connection, self.atoms)?;
                self.finish(at, number, step)?;
            }
        }
        self.take_input()
    }

    fn finish(&mut self, at: usize, number: usize, step: Step) -> Result<(), AgentWindowsError> {
        let window = &mut self.windows[at];
        match step {
            Step::Waiting => return Ok(()),
            Step::Text(text) => window.draft.push_str(&text),
            Step::Nothing => {}
        }
        window.pastes.remove(number);
        window.paint(&self.connection)
    }

    fn paint(&self, id: Window) -> Result<(), AgentWindowsError> {
        self.position(id).map_or(Ok(()), |at| self.windows[at].paint(&self.connection))
    }

    fn gone(&mut self, id: Window) {
        if let Some(at) = self.position(id) {
            self.windows[at].closed = true;
            self.windows[at].pastes.clear();
        }
    }

    fn position(&self, id: Window) -> Option<usize> {
        self.windows.iter().position(|window| window.id == id && !window.closed)
    }
}
