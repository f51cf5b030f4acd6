//! A real window manager.

use tempfile::TempDir;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, MapState, Window, WindowClass};
use x11rb::rust_connection::RustConnection;

use crate::probe::{READY_WITHIN, until};
use crate::process::Process;
use crate::program::{fresh_folder, isolated};

/// A running openbox with the settings of its package.
#[derive(Debug)]
pub struct Openbox {
    process: Process,
    _home: TempDir,
}

impl Openbox {
    /// Starts it on a display; returns when it manages the windows.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(display: &str) -> Self {
        let home = fresh_folder();
        let mut command = isolated("openbox", home.path());
        command.arg("--sm-disable").env("DISPLAY", display);
        let process = Process::start(command);
        let (connection, screen) = RustConnection::connect(Some(display)).expect("the display is there");
        let root = connection.setup().roots[screen].root;
        until(READY_WITHIN, "openbox manages the display", || {
            assert!(process.runs(), "openbox ended; it said: {}", process.said());
            is_managed(&connection, root)
        });
        until_it_shows_windows(&connection, root);
        Self { process, _home: home }
    }

    /// The window manager's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Whether a window manager announces itself on this root window and is alive: the window it names names itself.
fn is_managed(connection: &RustConnection, root: Window) -> bool {
    let check =
        connection.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").expect("request").reply().expect("atom").atom;
    let named = |window: Window| -> Option<Window> {
        let request = connection.get_property(false, window, check, AtomEnum::WINDOW, 0, 1).ok()?;
        request.reply().ok()?.value32()?.next()
    };
    named(root).is_some_and(|window| named(window) == Some(window))
}

/// Has a window shown and closes it again.
///
/// openbox announces itself before it listens: a window that asks to be shown in between is forgotten. So this one asks
/// again until it is shown.
fn until_it_shows_windows(connection: &RustConnection, root: Window) {
    let window = connection.generate_id().expect("an id");
    let (class, attributes) = (WindowClass::INPUT_OUTPUT, CreateWindowAux::new());
    connection.create_window(0, window, root, 0, 0, 8, 8, 0, class, 0, &attributes).expect("request");
    until(READY_WITHIN, "openbox shows a window", || {
        connection.map_window(window).expect("request");
        let attributes = connection.get_window_attributes(window).expect("request").reply().expect("attributes");
        attributes.map_state == MapState::VIEWABLE
    });
    connection.destroy_window(window).expect("request");
    let list = connection.intern_atom(false, b"_NET_CLIENT_LIST").expect("request").reply().expect("atom").atom;
    until(READY_WITHIN, "openbox has forgotten the window", || {
        let request = connection.get_property(false, root, list, AtomEnum::WINDOW, 0, 64).expect("request");
        let listed = request.reply().expect("the list of windows");
        listed.value32().is_none_or(|mut windows| windows.all(|listed| listed != window))
    });
}
