//! One window: how it is made, and what it shows.

use std::collections::VecDeque;

use x11rb::connection::Connection as _;
use x11rb::properties::{WmHints, WmSizeHints, WmSizeHintsSpecification};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Gcontext, MapState, PropMode,
    Screen, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::behaviour::Options;
use super::error::AgentWindowsError;
use super::layout::{AgentWindow, Cell};
use super::paste::Paste;

/// Backgrounds by which a person tells the windows apart.
const COLOURS: [u32; 8] = [0x1f3a5f, 0x3f5f1f, 0x5f1f3a, 0x1f5f5a, 0x5f4a1f, 0x3a1f5f, 0x2f2f2f, 0x5f1f1f];

/// Height of a line of text in pixels.
const LINE: i16 = 18;

/// How many of the last messages stay in sight.
const RECENT_MAX: usize = 10;

/// One window: an input box over all of it.
#[derive(Debug)]
pub(super) struct TextWindow {
    pub(super) index: usize,
    pub(super) id: Window,
    pub(super) title: String,
    pub(super) draft: String,
    submitted: usize,
    /// The last messages, for a person to see.
    recent: VecDeque<String>,
    pub(super) pastes: Vec<Paste>,
    pub(super) closed: bool,
    pen: Gcontext,
}

impl TextWindow {
    /// Creates it and asks for it to be shown.
    pub(super) fn create(
        connection: &RustConnection,
        screen: &Screen,
        options: &Options,
        index: usize,
        cell: Cell,
    ) -> Result<Self, AgentWindowsError> {
        let id = connection.generate_id()?;
        let (x, y, width, height) = cell;
        let mut events = EventMask::KEY_PRESS
            | EventMask::BUTTON_PRESS
            | EventMask::EXPOSURE
            | EventMask::PROPERTY_CHANGE
            | EventMask::STRUCTURE_NOTIFY;
        if options.behaviour.misses_arrival {
            events |= EventMask::POINTER_MOTION;
        }
        let attributes = CreateWindowAux::new()
            .background_pixel(COLOURS[index % COLOURS.len()])
            .override_redirect(u32::from(!options.managed))
            .event_mask(events);
        let class = WindowClass::INPUT_OUTPUT;
        connection.create_window(0, id, screen.root, x, y, width, height, 0, class, 0, &attributes)?;
        let title = format!("{}{}", options.title_prefix, index + 1);
        introduce(connection, id, &title, cell)?;
        let pen = connection.generate_id()?;
        connection.create_gc(
            pen,
            id,
            &CreateGCAux::new().foreground(0xffffff).background(COLOURS[index % COLOURS.len()]),
        )?;
        set_font(connection, pen)?;
        connection.map_window(id)?;
        let (draft, recent, pastes) = (String::new(), VecDeque::new(), Vec::new());
        Ok(Self { index, id, title, draft, submitted: 0, recent, pastes, closed: false, pen })
    }

    /// Where it is now, or `None` while it is not shown.
    pub(super) fn shown(
        &self,
        connection: &RustConnection,
        root: Window,
    ) -> Result<Option<AgentWindow>, AgentWindowsError> {
        if connection.get_window_attributes(self.id)?.reply()?.map_state != MapState::VIEWABLE {
            return Ok(None);
        }
        let size = connection.get_geometry(self.id)?.reply()?;
        // A window manager puts the window into a frame: only the root's view of it tells where it is.
        let place = connection.translate_coordinates(self.id, root, 0, 0)?.reply()?;
        Ok(Some(AgentWindow {
            index: self.index,
            id: self.id,
            title: self.title.clone(),
            x: place.dst_x,
            y: place.dst_y,
            width: size.width,
            height: size.height,
        }))
    }

    /// Keeps a submitted message in sight.
    pub(super) fn keep(&mut self, text: &str) {
        self.submitted += 1;
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front(text.to_owned());
    }

    /// Shows a person what is going on; nothing depends on it.
    pub(super) fn paint(&self, connection: &RustConnection) -> Result<(), AgentWindowsError> {
        if self.closed {
            return Ok(());
        }
        let last = self.draft.lines().next_back().unwrap_or_default();
        let head = [self.title.clone(), format!("submitted: {}", self.submitted), format!("> {last}")];
        let shown = |text: &String| text.lines().next().unwrap_or("(empty)").to_owned();
        let recent = self.recent.iter().map(shown);
        let lines: Vec<String> = head.into_iter().chain([String::new()]).chain(recent).collect();
        connection.clear_area(false, self.id, 0, 0, 0, 0)?;
        for (number, line) in (1..).zip(&lines) {
            let latin: Vec<u8> = line.chars().take(200).map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            connection.image_text8(self.id, self.pen, 10, number * LINE, &latin)?;
        }
        Ok(())
    }
}

/// Tells window managers and senders who this window is.
fn introduce(connection: &RustConnection, id: Window, title: &str, cell: Cell) -> Result<(), AgentWindowsError> {
    let atom = |name: &[u8]| Ok::<_, AgentWindowsError>(connection.intern_atom(false, name)?.reply()?.atom);
    let (utf8, name, pid) = (atom(b"UTF8_STRING")?, atom(b"_NET_WM_NAME")?, atom(b"_NET_WM_PID")?);
    let replace = PropMode::REPLACE;
    connection.change_property8(replace, id, AtomEnum::WM_NAME, AtomEnum::STRING, title.as_bytes())?;
    connection.change_property8(replace, id, name, utf8, title.as_bytes())?;
    connection.change_property8(replace, id, AtomEnum::WM_CLASS, AtomEnum::STRING, b"agent-windows\0AgentWindow\0")?;
    connection.change_property32(replace, id, pid, AtomEnum::CARDINAL, &[std::process::id()])?;
    // A process id means something only together with the machine it is an id on.
    let host = rustix::system::uname();
    let host = host.nodename().to_bytes();
    connection.change_property8(replace, id, AtomEnum::WM_CLIENT_MACHINE, AtomEnum::STRING, host)?;
    let (x, y, width, height) = cell;
    let user = WmSizeHintsSpecification::UserSpecified;
    let hints = WmSizeHints {
        position: Some((user, i32::from(x), i32::from(y))),
        size: Some((user, i32::from(width), i32::from(height))),
        ..WmSizeHints::new()
    };
    hints.set_normal_hints(connection, id)?;
    WmHints { input: Some(true), ..WmHints::new() }.set(connection, id)?;
    Ok(())
}

/// Every X server has the font "fixed"; should one not, the windows stay blank and work.
fn set_font(connection: &RustConnection, pen: Gcontext) -> Result<(), AgentWindowsError> {
    let font = connection.generate_id()?;
    connection.open_font(font, b"fixed")?;
    connection.change_gc(pen, &ChangeGCAux::new().font(font))?;
    connection.close_font(font)?;
    Ok(())
}
