//! A real terminal window with an agent's input box in it.

use tempfile::TempDir;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, MapState, Window};
use x11rb::rust_connection::RustConnection;

use crate::probe::{READY_WITHIN, until, until_some};
use crate::process::Process;
use crate::program::{fresh_folder, isolated, own_program};
use crate::terminal_messages::Record;

/// Which key pastes which selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XtermPaste {
    /// Ctrl+Shift+V pastes CLIPBOARD, as in most terminals.
    CtrlShiftV,
    /// Shift+Insert pastes PRIMARY: xterm as it comes.
    ShiftInsertPrimary,
    /// Shift+Insert pastes CLIPBOARD: xterm with `selectToClipboard`.
    ShiftInsertClipboard,
}

/// A running xterm, the program `line-editor` in it.
///
/// xterm sends a pasted line feed as a carriage return, which the editor takes for a line feed again; tabs, emoji and CJK
/// pass as they are. Control characters in a paste do not: xterm makes spaces of BS, DEL, ENQ, EOT, ESC and NUL, so that
/// text cannot end the bracketed paste it is in.
#[derive(Debug)]
pub struct Xterm {
    window: Window,
    centre: (i16, i16),
    record: Record,
    process: Process,
    _home: TempDir,
}

impl Xterm {
    /// Starts one at the upper left corner of a display; returns when its window is shown and the editor is ready.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(display: &str, paste: XtermPaste) -> Self {
        Self::start_at(display, paste, "Terminal", (0, 0))
    }

    /// Starts one with a title at a place, in pixels (exact only where no window manager places windows itself).
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_at(display: &str, paste: XtermPaste, title: &str, (x, y): (i16, i16)) -> Self {
        let home = fresh_folder();
        let record = Record::at(home.path().join("messages.jsonl"));
        let mut command = isolated("xterm", home.path());
        command.env("DISPLAY", display).args(["-u8", "-T", title, "-geometry", &format!("80x24+{x}+{y}")]);
        match paste {
            XtermPaste::CtrlShiftV => command
                .args(["-xrm", "XTerm*VT100.Translations: #override Ctrl Shift <Key>V: insert-selection(CLIPBOARD)"]),
            XtermPaste::ShiftInsertPrimary => &mut command,
            XtermPaste::ShiftInsertClipboard => command.args(["-xrm", "XTerm*selectToClipboard: true"]),
        };
        command.arg("-e").arg(own_program("line-editor")).arg(record.path());
        let process = Process::start(command);
        let window = until_some(READY_WITHIN, "the editor in xterm is ready", || {
            assert!(process.runs(), "xterm ended; it said: {}", process.said());
            record.ready().map(|(_, window)| window.expect("xterm tells its window in WINDOWID"))
        });
        let centre = shown_centre(display, window);
        Self { window, centre, record, process, _home: home }
    }

    /// Its window.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// A point well inside, on the root window, where it was when it came up.
    pub const fn centre(&self) -> (i16, i16) {
        self.centre
    }

    /// What its editor wrote down.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// xterm's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn shown_centre(display: &str, window: Window) -> (i16, i16) {
    let (connection, screen) = RustConnection::connect(Some(display)).expect("the display is there");
    let root = connection.setup().roots[screen].root;
    until(READY_WITHIN, "xterm's window is shown", || {
        let attributes = connection.get_window_attributes(window).expect("request").reply().expect("attributes");
        attributes.map_state == MapState::VIEWABLE
    });
    let size = connection.get_geometry(window).expect("request").reply().expect("geometry");
    let place = connection.translate_coordinates(window, root, 0, 0).expect("request").reply().expect("place");
    (place.dst_x + (size.width / 2) as i16, place.dst_y + (size.height / 2) as i16)
}
