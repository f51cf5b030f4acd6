//! A session with accessibility on: programs that are started in it tell what in their windows has the focus.

use std::process::Command;

use tempfile::TempDir;

use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// What hands out the accessibility bus; no program for the PATH.
pub const LAUNCHER: &str = "/usr/libexec/at-spi-bus-launcher";

/// A message bus of a session of its own, with the accessibility bus beside it.
#[derive(Debug)]
pub struct AccessibilityBus {
    address: String,
    _launcher: Process,
    // Below what lives on it.
    _session: Process,
    _home: TempDir,
}

impl AccessibilityBus {
    /// Starts one, and says in it that assistive programs are there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let home = fresh_folder();
        let mut session = isolated("dbus-daemon", home.path());
        session.args(["--session", "--nofork", "--nopidfile", "--print-address"]);
        session.arg(format!("--address=unix:path={}", home.path().join("session").display()));
        let session = Process::start_ending(session, Ending::Terminate);
        let address = session.expect_line("its address", |line| Some(line.trim().to_owned()));
        let mut launcher = isolated(LAUNCHER, home.path());
        launcher.arg("--launch-immediately").env("DBUS_SESSION_BUS_ADDRESS", &address);
        let launcher = Process::start_ending(launcher, Ending::Terminate);
        let this = Self { address, _launcher: launcher, _session: session, _home: home };
        this.enable();
        this
    }

    /// Where the session's bus is, as programs find it by `DBUS_SESSION_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts a program into the session.
    pub fn invite(&self, program: &mut Command) {
        program.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
    }

    /// Toolkits look for this when they start.
    fn enable(&self) {
        let mut set = isolated("dbus-send", self._home.path());
        self.invite(&mut set);
        set.args(["--session", "--print-reply", "--dest=org.a11y.Bus", "/org/a11y/bus"]);
        set.args(["org.freedesktop.DBus.Properties.Set", "string:org.a11y.Status", "string:IsEnabled"]);
        // The bus holds the call back until the launcher is there: it knows how to start one.
        let output = set.arg("variant:boolean:true").output().expect("dbus-send starts");
        assert!(output.status.success(), "accessibility stays off: {}", String::from_utf8_lossy(&output.stderr));
    }
}
