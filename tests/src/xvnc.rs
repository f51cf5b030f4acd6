//! A real X server with a person at it: what a VNC client types and points comes from input devices of the server's own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use x11rb::rust_connection::RustConnection;

use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// A running Xvnc on a display number that it chose itself, reached by sockets only.
#[derive(Debug)]
pub struct Xvnc {
    display: String,
    socket: PathBuf,
    process: Process,
    // Below the process: its files go when it is gone.
    _home: TempDir,
}

impl Xvnc {
    /// Starts one with a screen of 1600 x 1200.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let home = fresh_folder();
        let socket = home.path().join("vnc");
        let mut command = isolated("Xvnc", home.path());
        // With -r a key that is down is not typed again, however late its release comes.
        command.args(["-displayfd", "1", "-noreset", "-r", "-nolisten", "tcp", "-ac", "-geometry", "1600x1200"]);
        command.args(["-SecurityTypes", "None", "-rfbport", "-1", "-AlwaysShared", "-rfbunixpath"]).arg(&socket);
        let process = Process::start_ending(command, Ending::Terminate);
        let number: u32 = process.expect_line("its display number", |line| line.trim().parse().ok());
        Self { display: format!(":{number}"), socket, process, _home: home }
    }

    /// Its display, such as `:7`: what goes into `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A new connection to its screen.
    ///
    /// # Panics
    /// When the server is gone.
    pub fn connect(&self) -> RustConnection {
        let (connection, _) = RustConnection::connect(Some(&self.display)).unwrap_or_else(|error| {
            panic!("cannot connect to {}: {error}; it said: {}", self.display, self.process.said())
        });
        connection
    }

    /// A person who sits down at it.
    ///
    /// # Panics
    /// When the server does not take them.
    pub fn person(&self) -> Person {
        Person::at(&self.socket)
    }
}

/// A person at the mouse and keyboard of an [`Xvnc`]. Every call returns once the server has taken the input. When they
/// leave, the server releases what they hold.
#[derive(Debug)]
pub struct Person {
    stream: UnixStream,
}

/// RFB 3.8: what the client says.
mod say {
    pub(super) const VERSION: &[u8; 12] = b"RFB 003.008\n";
    pub(super) const NO_SECURITY: u8 = 1;
    pub(super) const SHARED: u8 = 1;
    pub(super) const ENCODINGS: u8 = 2;
    pub(super) const UPDATE_REQUEST: u8 = 3;
    pub(super) const KEY: u8 = 4;
    pub(super) const POINTER: u8 = 5;
}

impl Person {
    fn at(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the server listens");
        let mut person = Self { stream };
        person.shake_hands().expect("the server takes a client");
        person
    }

    fn shake_hands(&mut self) -> std::io::Result<()> {
        let version: [u8; 12] = self.read()?;
        assert!(version.starts_with(b"RFB 003."), "an RFB server");
        self.stream.write_all(say::VERSION)?;
        let [kinds] = self.read()?;
        let mut offered = vec![0; kinds.into()];
        self.stream.read_exact(&mut offered)?;
        assert!(offered.contains(&say::NO_SECURITY), "a server that asks for no password: {offered:?}");
        self.stream.write_all(&[say::NO_SECURITY])?;
        let result: [u8; 4] = self.read()?;
        assert_eq!(u32::from_be_bytes(result), 0, "the server lets us in");
        self.stream.write_all(&[say::SHARED])?;
        // Width, height and pixel format, then the length of the name.
        let _screen: [u8; 20] = self.read()?;
        let length: [u8; 4] = self.read()?;
        let mut name = vec![0; u32::from_be_bytes(length).try_into().expect("a short name")];
        self.stream.read_exact(&mut name)?;
        // One encoding: raw, which every server has.
        self.stream.write_all(&[say::ENCODINGS, 0, 0, 1, 0, 0, 0, 0])
    }

    fn read<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Presses a key down, or lets it go.
    ///
    /// # Panics
    /// When the server is gone. So do all methods.
    pub fn key(&mut self, keysym: u32, down: bool) {
        let [a, b, c, d] = keysym.to_be_bytes();
        self.say(&[say::KEY, down.into(), 0, 0, a, b, c, d]);
    }

    /// Types small letters, digits and spaces.
    pub fn types(&mut self, text: &str) {
        for character in text.chars() {
            self.key(character.into(), true);
            self.key(character.into(), false);
        }
    }

    /// Moves the mouse to a point.
    pub fn moves_to(&mut self, point: (u16, u16)) {
        self.point(point, 0);
    }

    /// Clicks the first button at a point.
    pub fn clicks(&mut self, point: (u16, u16)) {
        self.point(point, 0);
        self.point(point, 1);
        self.point(point, 0);
    }

    fn point(&mut self, (x, y): (u16, u16), buttons: u8) {
        let ([a, b], [c, d]) = (x.to_be_bytes(), y.to_be_bytes());
        self.say(&[say::POINTER, buttons, a, b, c, d]);
    }

    fn say(&mut self, message: &[u8]) {
        self.stream.write_all(message).and_then(|()| self.sync()).expect("the server listens");
    }

    /// Asks for one pixel: the server answers after it has taken the input before.
    fn sync(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&[say::UPDATE_REQUEST, 0, 0, 0, 0, 0, 0, 1, 0, 1])?;
        loop {
            match self.read()? {
                [0] => break,
                [2] => {}
                // The clipboard of the X side.
                [3] => {
                    let [_, _, _, a, b, c, d]: [u8; 7] = self.read()?;
                    self.skip(u32::from_be_bytes([a, b, c, d]))?;
                }
                [other] => panic!("the server says {other}"),
            }
        }
        let [_, a, b] = self.read()?;
        for _ in 0..u16::from_be_bytes([a, b]) {
            let [_, _, _, _, w0, w1, h0, h1, ..]: [u8; 12] = self.read()?;
            let pixels = u32::from(u16::from_be_bytes([w0, w1])) * u32::from(u16::from_be_bytes([h0, h1]));
            self.skip(pixels * 4)?;
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u32) -> std::io::Result<()> {
        std::io::copy(&mut (&self.stream).take(bytes.into()), &mut std::io::sink()).map(drop)
    }
}
