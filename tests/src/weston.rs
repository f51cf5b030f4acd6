//! A real Wayland compositor with XWayland, and no screen to look at.

use tempfile::TempDir;

use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// A running XWayland of its own: one window of the compositor, the whole X desktop in it.
///
/// Unlike the compositor's own XWayland it has no window manager, and X programs in it take the focus as on any X server.
#[derive(Debug)]
pub struct Xwayland {
    display: String,
    process: Process,
    // Below the process: it lives in it.
    weston: Weston,
}

impl Xwayland {
    /// Starts one in a compositor of its own.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let weston = Weston::start();
        let mut command = isolated("Xwayland", weston.home.path());
        command.envs(weston.environment()).args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-ac"]);
        let process = Process::start_ending(command, Ending::Terminate);
        let number: u32 = process.expect_line("its display number", |line| line.trim().parse().ok());
        Self { display: format!(":{number}"), process, weston }
    }

    /// Its display.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server's process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The compositor that it lives in.
    pub const fn weston(&self) -> &Weston {
        &self.weston
    }
}

/// The name of its socket, in a folder of its own.
const SOCKET: &str = "wayland-test";

/// A running weston. XWayland is started by the first who connects to its display.
#[derive(Debug)]
pub struct Weston {
    display: String,
    process: Process,
    // Below the process: its files go when it is gone.
    home: TempDir,
}

impl Weston {
    /// Starts one; returns when its X display can be connected to.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let home = fresh_folder();
        let mut command = isolated("weston", home.path());
        command.args(["--backend=headless-backend.so", "--xwayland", "--no-config", "--width=1600", "--height=1200"]);
        command.arg(format!("--socket={SOCKET}"));
        // Asked to end: it takes XWayland and the files of its display with it.
        command.arg("--log=/dev/stdout");
        let process = Process::start_ending(command, Ending::Terminate);
        let display = process.expect_line("its X display", |line| {
            Some(line.split_once("xserver listening on display ")?.1.trim().to_owned())
        });
        Self { display, process, home }
    }

    /// The display of its XWayland, such as `:7`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// What its clients have in their environment: `WAYLAND_DISPLAY` and `XDG_RUNTIME_DIR`.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let folder = self.home.path().to_string_lossy().into_owned();
        [("WAYLAND_DISPLAY", SOCKET.to_owned()), ("XDG_RUNTIME_DIR", folder)]
    }

    /// The compositor's process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
