//! A real X server without a screen to look at.

use tempfile::TempDir;
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// A monitor in pixels of the root window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitor {
    /// Left edge.
    pub x: i16,
    /// Upper edge.
    pub y: i16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

/// What the server is to show.
#[derive(Debug, Clone)]
pub struct XvfbOptions {
    /// Width and height of each screen in pixels; a second one is a second X screen (`:N.1`).
    pub screens: Vec<(u16, u16)>,
    /// Monitors that the first screen is divided into; none is one monitor over all of it.
    pub monitors: Vec<Monitor>,
}

impl Default for XvfbOptions {
    /// One screen of 1600 x 1200.
    fn default() -> Self {
        Self { screens: vec![(1600, 1200)], monitors: Vec::new() }
    }
}

/// A running Xvfb on a display number that it chose itself.
///
/// It listens on local sockets only and lets every local user in, so no X authority is needed.
#[derive(Debug)]
pub struct Xvfb {
    display: String,
    process: Process,
    // Below the process: its files go when it is gone.
    _home: TempDir,
}

impl Xvfb {
    /// Starts one with a screen of 1600 x 1200.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::start_with(&XvfbOptions::default())
    }

    /// Starts one.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(options: &XvfbOptions) -> Self {
        let home = fresh_folder();
        let mut command = isolated("Xvfb", home.path());
        // Its stdout carries the display number, so no descriptor needs to be handed down.
        // Without -noreset the server forgets everything each time its last client leaves. With -r a key that is down is not
        // typed again, however late its release comes.
        command.args(["-displayfd", "1", "-noreset", "-r", "-nolisten", "tcp", "-ac"]);
        for (number, (width, height)) in options.screens.iter().enumerate() {
            command.args(["-screen", &number.to_string(), &format!("{width}x{height}x24")]);
        }
        // A killed server leaves its socket behind.
        let process = Process::start_ending(command, Ending::Terminate);
        let number: u32 = process.expect_line("its display number", |line| line.trim().parse().ok());
        let server = Self { display: format!(":{number}"), process, _home: home };
        server.divide(&options.monitors);
        server
    }

    /// Its display, such as `:7`: what goes into `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A new connection to its first screen.
    ///
    /// # Panics
    /// When the server is gone.
    pub fn connect(&self) -> RustConnection {
        let (connection, _) = RustConnection::connect(Some(&self.display)).unwrap_or_else(|error| {
            panic!("cannot connect to {}: {error}; it said: {}", self.display, self.process.said())
        });
        connection
    }

    fn divide(&self, monitors: &[Monitor]) {
        let connection = self.connect();
        let root = connection.setup().roots[0].root;
        for (number, monitor) in monitors.iter().enumerate() {
            let name = format!("monitor-{number}");
            let name = connection.intern_atom(false, name.as_bytes()).expect("request").reply().expect("an atom").atom;
            let info = MonitorInfo {
                name,
                primary: number == 0,
                automatic: false,
                x: monitor.x,
                y: monitor.y,
                width: monitor.width,
                height: monitor.height,
                width_in_millimeters: u32::from(monitor.width) / 4,
                height_in_millimeters: u32::from(monitor.height) / 4,
                outputs: Vec::new(),
            };
            connection.randr_set_monitor(root, info).expect("request").check().expect("a monitor");
        }
    }
}
