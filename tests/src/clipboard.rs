//! Owners and readers of selections: what else there is on a desktop beside the sender under test.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::res::{ClientIdMask, ClientIdSpec, ConnectionExt as _};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property,
    PropertyNotifyEvent, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_DEPTH_FROM_PARENT, CURRENT_TIME, NONE};

use crate::probe::until_some;

/// Which selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// CLIPBOARD: copy and paste.
    Clipboard,
    /// PRIMARY: what is marked.
    Primary,
}

/// How an owner answers those who ask for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// In one go.
    Whole,
    /// In pieces of this many bytes (the INCR protocol).
    Pieces(usize),
    /// Not at all: it hangs.
    Never,
    /// In one go, but not before [`ClipboardOwner::tell`].
    WhenTold,
}

/// Owns a selection and serves its text from a thread, until it is dropped.
#[derive(Debug)]
pub struct ClipboardOwner {
    window: Window,
    served: Receiver<Window>,
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl ClipboardOwner {
    /// Takes a selection; returns once the server has confirmed it.
    ///
    /// # Panics
    /// When the display is not there, or another client takes the selection at the same moment.
    pub fn own(display: &str, selection: Selection, text: &str, answer: Answer) -> Self {
        Self::own_formats(display, selection, &[("UTF8_STRING", text.as_bytes())], answer)
    }

    /// Takes a selection with these formats, each by its name; [`ClipboardOwner::own`] in all else. Pieces are only for
    /// those that are longer than one.
    ///
    /// # Panics
    /// As [`ClipboardOwner::own`].
    pub fn own_formats(display: &str, selection: Selection, formats: &[(&str, &[u8])], answer: Answer) -> Self {
        Self::try_own_formats(display, selection, formats, answer).expect("another client took the selection")
    }

    /// [`ClipboardOwner::own`], or `None` when another client takes it at the same moment.
    ///
    /// # Panics
    /// When the display is not there.
    pub fn try_own(display: &str, selection: Selection, text: &str, answer: Answer) -> Option<Self> {
        Self::try_own_formats(display, selection, &[("UTF8_STRING", text.as_bytes())], answer)
    }

    fn try_own_formats(display: &str, selection: Selection, formats: &[(&str, &[u8])], answer: Answer) -> Option<Self> {
        let (served, report) = channel();
        let (bell, ring) = UnixStream::pair().expect("a socket pair");
        let client = Client::connect(display);
        let (window, selection) = (client.window, client.selection(selection));
        client.connection.set_selection_owner(window, selection, CURRENT_TIME).expect("request");
        let owner = client.connection.get_selection_owner(selection).expect("request").reply().expect("an owner").owner;
        if owner != window {
            return None;
        }
        let formats = formats.iter().map(|(name, bytes)| (client.atom(name.as_bytes()), bytes.to_vec())).collect();
        let mut server = Server { client, formats, answer, asked: Vec::new(), transfers: HashMap::new(), served };
        let thread = std::thread::spawn(move || server.serve(&ring));
        Some(Self { window, served: report, bell: Some(bell), thread: Some(thread) })
    }

    /// The window that owns the selection.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Has it answer all that it was asked, and from now on at once: for [`Answer::WhenTold`].
    ///
    /// # Panics
    /// When the display is gone.
    pub fn tell(&self) {
        let mut bell = self.bell.as_ref().expect("it rings until the drop");
        bell.write_all(&[0]).expect("its thread listens");
    }

    /// The windows that were given the whole text since the last call, in order. One that was given it this very moment
    /// may still be missing: to wait for it there is [`ClipboardOwner::wait_served`].
    pub fn served(&self) -> Vec<Window> {
        self.served.try_iter().collect()
    }

    /// Waits until the next window was given the whole text; `None` when none was `within`.
    pub fn wait_served(&self, within: Duration) -> Option<Window> {
        self.served.recv_timeout(within).ok()
    }
}

impl Drop for ClipboardOwner {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a selection as any other client does; `None` when it has no owner, or its owner refuses.
///
/// # Panics
/// When the owner does not answer `within`.
pub fn read(display: &str, selection: Selection, within: Duration) -> Option<String> {
    let text = read_format(display, selection, "UTF8_STRING", within)?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Reads one format of a selection, `TARGETS` for their list, as [`read`] does.
///
/// # Panics
/// As [`read`].
pub fn read_format(display: &str, selection: Selection, format: &str, within: Duration) -> Option<Vec<u8>> {
    let client = Client::connect(display);
    let format = client.atom(format.as_bytes());
    let selection = client.selection(selection);
    let property = client.atom(b"READ_HERE");
    client.connection.convert_selection(client.window, selection, format, property, CURRENT_TIME).expect("request");
    client.connection.flush().expect("the display is there");
    let mut pieces = None;
    until_some(within, "the owner of the selection answers", || {
        loop {
            match client.connection.poll_for_event().expect("the display is there")? {
                Event::SelectionNotify(answer) if answer.property == NONE => return Some(None),
                Event::SelectionNotify(_) => {
                    let (kind, text) = client.take(property);
                    if kind != client.incr {
                        return Some(Some(text));
                    }
                    pieces = Some(Vec::new());
                }
                Event::PropertyNotify(change) if change.atom == property && change.state == Property::NEW_VALUE => {
                    if let Some(text) = &mut pieces {
                        let (_, piece) = client.take(property);
                        if piece.is_empty() {
                            return Some(Some(std::mem::take(text)));
                        }
                        text.extend(piece);
                    }
                }
                _ => {}
            }
        }
    })
}

/// The process that owns a selection; `None` when none does.
///
/// # Panics
/// When the display is not there.
pub fn owner_pid(display: &str, selection: Selection) -> Option<u32> {
    let client = Client::connect(display);
    let asked = client.connection.get_selection_owner(client.selection(selection)).expect("request");
    let owner = asked.reply().expect("an owner").owner;
    client.connection.res_query_version(1, 2).expect("request").reply().expect("the extension that tells processes");
    let spec = [ClientIdSpec { client: owner, mask: ClientIdMask::LOCAL_CLIENT_PID }];
    // A window that has just gone is refused: nobody owns the selection any more.
    let reply = client.connection.res_query_client_ids(&spec).expect("request").reply().ok()?;
    reply.ids.iter().find_map(|id| id.value.first().copied().filter(|pid| *pid != 0))
}

/// A connection with a window that nobody sees.
struct Client {
    connection: RustConnection,
    window: Window,
    utf8: Atom,
    targets: Atom,
    incr: Atom,
}

impl Client {
    fn connect(display: &str) -> Self {
        let (connection, screen) = RustConnection::connect(Some(display)).expect("the display is there");
        let root = connection.setup().roots[screen].root;
        let window = connection.generate_id().expect("an id");
        let attributes = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        let class = WindowClass::INPUT_OUTPUT;
        connection
            .create_window(COPY_DEPTH_FROM_PARENT, window, root, 0, 0, 1, 1, 0, class, 0, &attributes)
            .expect("request");
        let mut client = Self { connection, window, utf8: 0, targets: 0, incr: 0 };
        client.utf8 = client.atom(b"UTF8_STRING");
        client.targets = client.atom(b"TARGETS");
        client.incr = client.atom(b"INCR");
        client
    }

    fn atom(&self, name: &[u8]) -> Atom {
        self.connection.intern_atom(false, name).expect("request").reply().expect("an atom").atom
    }

    fn selection(&self, selection: Selection) -> Atom {
        match selection {
            Selection::Clipboard => self.atom(b"CLIPBOARD"),
            Selection::Primary => AtomEnum::PRIMARY.into(),
        }
    }

    fn take(&self, property: Atom) -> (Atom, Vec<u8>) {
        let request = self.connection.get_property(true, self.window, property, AtomEnum::ANY, 0, u32::MAX / 4);
        let value = request.expect("request").reply().expect("the property");
        (value.type_, value.value)
    }
}

/// The thread behind a [`ClipboardOwner`].
struct Server {
    client: Client,
    formats: Vec<(Atom, Vec<u8>)>,
    answer: Answer,
    /// What is answered when it is told to.
    asked: Vec<SelectionRequestEvent>,
    /// Which format each requestor takes in pieces, and how much of it it has, by its window and property.
    transfers: HashMap<(Window, Atom), (usize, usize)>,
    served: Sender<Window>,
}

impl Server {
    /// Serves until the owner lets go of the bell or the display is gone.
    fn serve(&mut self, bell: &UnixStream) {
        loop {
            while let Ok(Some(event)) = self.client.connection.poll_for_event() {
                match event {
                    Event::SelectionRequest(request) => self.answer(&request),
                    Event::PropertyNotify(change) if change.state == Property::DELETE => self.next_piece(change),
                    _ => {}
                }
            }
            if self.client.connection.flush().is_err() {
                return;
            }
            let connection = self.client.connection.stream();
            let mut sources = [PollFd::new(connection, PollFlags::IN), PollFd::new(bell, PollFlags::IN)];
            let polled = poll(&mut sources, None);
            let broken = sources[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
            let rung = !sources[1].revents().is_empty();
            if polled.is_err() || broken || (rung && !self.is_told(bell)) {
                return;
            }
        }
    }

    /// Whether the bell was rung, and not let go of: then it answers.
    fn is_told(&mut self, mut bell: &UnixStream) -> bool {
        if !matches!(bell.read(&mut [0]), Ok(1)) {
            return false;
        }
        self.answer = Answer::Whole;
        std::mem::take(&mut self.asked).iter().for_each(|request| self.answer(request));
        true
    }

    fn answer(&mut self, request: &SelectionRequestEvent) {
        match self.answer {
            Answer::Never => return,
            Answer::WhenTold => return self.asked.push(*request),
            Answer::Whole | Answer::Pieces(_) => {}
        }
        let (connection, client) = (&self.client.connection, &self.client);
        let (requestor, property) = (request.requestor, request.property);
        let format = self.formats.iter().position(|(name, _)| *name == request.target);
        let bytes = format.map_or(&[][..], |at| &self.formats[at].1);
        // A text goes in pieces however short it is; the rest as it needs.
        let pieces = matches!(self.answer, Answer::Pieces(size) if bytes.len() > size || request.target == client.utf8);
        let known = if request.target == client.targets {
            let list: Vec<Atom> = std::iter::once(client.targets).chain(self.formats.iter().map(|of| of.0)).collect();
            let _ = connection.change_property32(PropMode::REPLACE, requestor, property, AtomEnum::ATOM, &list);
            true
        } else if format.is_none() {
            false
        } else if let (true, Some(format)) = (pieces, format) {
            let watch = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            let _ = connection.change_window_attributes(requestor, &watch);
            let size = [u32::try_from(bytes.len()).unwrap_or(u32::MAX)];
            let _ = connection.change_property32(PropMode::REPLACE, requestor, property, client.incr, &size);
            self.transfers.insert((requestor, property), (format, 0));
            true
        } else {
            let _ = connection.change_property8(PropMode::REPLACE, requestor, property, request.target, bytes);
            true
        };
        let notify = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor,
            selection: request.selection,
            target: request.target,
            property: if known { property } else { NONE },
        };
        let _ = connection.send_event(false, requestor, EventMask::NO_EVENT, notify);
        if self.answer == Answer::Whole && request.target == client.utf8 {
            self.report(requestor);
        }
    }

    fn next_piece(&mut self, change: PropertyNotifyEvent) {
        let Answer::Pieces(size) = self.answer else { return };
        let Some((format, sent)) = self.transfers.get_mut(&(change.window, change.atom)) else { return };
        let (name, bytes) = &self.formats[*format];
        let piece = &bytes[*sent..bytes.len().min(*sent + size.max(1))];
        *sent += piece.len();
        let _ = self.client.connection.change_property8(PropMode::REPLACE, change.window, change.atom, *name, piece);
        if piece.is_empty() {
            let was_text = *name == self.client.utf8;
            self.transfers.remove(&(change.window, change.atom));
            if was_text {
                self.report(change.window);
            }
        }
    }

    /// Says that a window was given the text, once the server has it: input sent after that cannot overtake it.
    fn report(&self, requestor: Window) {
        if self.client.connection.get_input_focus().is_ok_and(|request| request.reply().is_ok()) {
            let _ = self.served.send(requestor);
        }
    }
}
