//! The X server of an arena: with a person at its own mouse and keyboard, or with nobody.

use tests::{
    process::Process,
    xvfb::Xvfb,
    xvnc::{Person, Xvnc},
};
use x11rb::rust_connection::RustConnection;

pub(crate) enum Screen {
    Unattended(Xvfb),
    Attended(Xvnc),
}

impl Screen {
    pub(crate) fn display(&self) -> &str {
        match self {
            Self::Unattended(server) => server.display(),
            Self::Attended(server) => server.display(),
        }
    }

    pub(crate) fn connect(&self) -> RustConnection {
        match self {
            Self::Unattended(server) => server.connect(),
            Self::Attended(server) => server.connect(),
        }
    }

    pub(crate) const fn process(&mut self) -> &mut Process {
        match self {
            Self::Unattended(server) => server.process(),
            Self::Attended(server) => server.process(),
        }
    }

    /// Somebody at its devices.
    pub(crate) fn person(&self) -> Person {
        match self {
            Self::Unattended(_) => panic!("this server has no devices of its own"),
            Self::Attended(server) => server.person(),
        }
    }
}
