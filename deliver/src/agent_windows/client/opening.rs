//! How an application's windows come onto the screen.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use x11rb::CURRENT_TIME;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus};
use x11rb::rust_connection::RustConnection;

use super::{Client, Wishes};
use crate::agent_windows::behaviour::Options;
use crate::agent_windows::error::AgentWindowsError;
use crate::agent_windows::inbox::Inbox;
use crate::agent_windows::keyboard::Keyboard;
use crate::agent_windows::layout::{AgentWindow, cells};
use crate::agent_windows::paste::Atoms;
use crate::agent_windows::window::TextWindow;

/// How long a window manager may take to show a window.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

impl Client {
    /// Connects and creates the windows `indices`.
    pub(in crate::agent_windows) fn open(
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
    pub(in crate::agent_windows) fn shown(&self, options: &Options) -> Result<Vec<AgentWindow>, AgentWindowsError> {
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
        if self.behaviour.focus_on_click {
            self.take_unowned_focus()?;
        }
        Ok(shown)
    }

    /// As a program that has just started does. Else the first click would have the focus change hands at some time after
    /// it, while keys already reach the window for the pointer's sake.
    fn take_unowned_focus(&self) -> Result<(), AgentWindowsError> {
        let focus = self.connection.get_input_focus()?.reply()?.focus;
        let unowned = focus == u32::from(InputFocus::NONE) || focus == u32::from(InputFocus::POINTER_ROOT);
        if let Some(first) = self.windows.first().filter(|_| unowned) {
            self.connection.set_input_focus(InputFocus::POINTER_ROOT, first.id, CURRENT_TIME)?;
            self.connection.get_input_focus()?.reply()?;
        }
        Ok(())
    }
}
