//! One application with its windows, and the thread that serves it.

mod opening;
mod pasting;

use std::collections::VecDeque;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, ButtonPressEvent, ConnectionExt as _, InputFocus, KeyPressEvent, SelectionNotifyEvent, Window,
};
use x11rb::rust_connection::RustConnection;

use super::behaviour::{Behaviour, Waiting};
use super::error::AgentWindowsError;
use super::inbox::{Draft, Inbox};
use super::keyboard::{Keyboard, Meaning};
use super::paste::{Atoms, Paste};
use super::window::TextWindow;

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
