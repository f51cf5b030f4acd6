//! A display in between: passes everything on to a real X server, and stops or kills one of its clients right behind the
//! nth thing that it wrote.
//!
//! What a client writes at once is one chunk here. A client that dies behind each of its chunks in turn dies in every state
//! that its server can see it in, with no need to meet a moment by chance. A server looks at a client's connection between its
//! requests, too: what a killed client presses something with is passed on up to its last press, and the rest only if its
//! connection can still be written to.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::event::{PollFd, PollFlags, poll};
use x11rb::{
    connection::RequestConnection as _,
    protocol::{
        xproto::{BUTTON_PRESS_EVENT, KEY_PRESS_EVENT},
        xtest,
    },
};

use crate::process::{is_alive, sigkill, sigstop};

/// Numbers above those that X servers on a machine choose for themselves.
const NUMBERS: std::ops::Range<u32> = 2000..9000;

/// Whose writes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Any program that is no clipboard keeper.
    Sender,
    /// The clipboard's keeper.
    Keeper,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
}

/// A display of its own that leads to another one.
#[derive(Debug)]
pub struct DisplayBetween {
    display: String,
    socket: PathBuf,
    plan: Arc<(Mutex<Plan>, Condvar)>,
}

#[derive(Debug, Default)]
struct Plan {
    armed: Option<(Client, usize, Blow)>,
    /// Chunks of each client since it was armed.
    written: [usize; 2],
    /// Between the blow and the chunk's arrival.
    striking: bool,
    struck: Option<u32>,
    keeper: Option<u32>,
}

impl DisplayBetween {
    /// Leads to `display`, such as `:7`.
    ///
    /// # Panics
    /// When no number is free for it.
    pub fn leading_to(display: &str) -> Self {
        let server = socket_of(display.trim_start_matches(':'));
        let bound = NUMBERS.map(|number| number.to_string()).find_map(|number| {
            let socket = socket_of(&number);
            UnixListener::bind(&socket).ok().map(|listener| (number, socket, listener))
        });
        let (number, socket, listener) = bound.expect("a free display number");
        let plan = Arc::new((Mutex::new(Plan::default()), Condvar::new()));
        let shared = Arc::clone(&plan);
        let xtest = major_opcode_of_xtest(display);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is gone takes no more clients, as if they had come to it themselves.
                let Ok(server) = UnixStream::connect(&server) else { continue };
                Connection::pass_on(client, server, &shared, xtest);
            }
        });
        Self { display: format!(":{number}"), socket, plan }
    }

    /// What goes into `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Strikes `client` behind its `nth` chunk from now on, the first is 1.
    pub fn arm(&self, client: Client, nth: usize, blow: Blow) {
        let mut plan = lock(&self.plan);
        *plan = Plan { armed: Some((client, nth, blow)), keeper: plan.keeper, ..Plan::default() };
    }

    /// The process that was struck, when the server has what it wrote before.
    pub fn struck(&self) -> Option<u32> {
        let plan = lock(&self.plan);
        self.plan.1.wait_while(plan, |plan| plan.striking).unwrap_or_else(PoisonError::into_inner).struck
    }

    /// Strikes nobody any more.
    pub fn disarm(&self) {
        lock(&self.plan).armed = None;
    }

    /// The process of the last keeper that came.
    pub fn keeper(&self) -> Option<u32> {
        lock(&self.plan).keeper
    }
}

impl Drop for DisplayBetween {
    fn drop(&mut self) {
        // Whoever is connected stays connected until the server goes, which is the fixture's below.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// One client's way to the server.
struct Connection {
    who: Client,
    pid: u32,
    plan: Arc<(Mutex<Plan>, Condvar)>,
    /// What requests for synthetic input begin with.
    xtest: u8,
}

impl Connection {
    fn pass_on(client: UnixStream, server: UnixStream, plan: &Arc<(Mutex<Plan>, Condvar)>, xtest: u8) {
        let peer = rustix::net::sockopt::socket_peercred(&client).expect("a local client has a process");
        let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_keeper = words.split(|byte| *byte == 0).any(|word| word == b"keeper");
        let who = if is_keeper { Client::Keeper } else { Client::Sender };
        if is_keeper {
            lock(plan).keeper = Some(pid);
        }
        let connection = Self { who, pid, plan: Arc::clone(plan), xtest };
        let (client_too, server_too) = (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
        thread::spawn(move || connection.pass_requests(client, server));
        thread::spawn(move || pass_answers(server_too, client_too));
    }

    /// Passes bytes on until the client ends its side; then the server sees that end as the client made it.
    fn pass_requests(&self, mut client: UnixStream, mut server: UnixStream) {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            let struck = self.strikes_now();
            let passed = match struck {
                Some(Blow::Kill) => self.pass_last(&bytes[..length], &client, &mut server),
                Some(Blow::Stop) | None => server.write_all(&bytes[..length]),
            };
            if struck.is_some() {
                self.has_struck();
            }
            if passed.is_err() {
                break;
            }
        }
        if !has_hung_up(&client) {
            // A client may say that nothing more comes, and still listen. The server may have gone first.
            let _ = server.shutdown(Shutdown::Write);
            await_of(&client, PollFlags::empty());
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }

    /// The chunk of a client that was just killed.
    fn pass_last(&self, chunk: &[u8], client: &UnixStream, server: &mut UnixStream) -> std::io::Result<()> {
        let (first, rest) = chunk.split_at(behind_last_press(chunk, self.xtest));
        server.write_all(first)?;
        if !rest.is_empty() {
            await_of(client, PollFlags::RDHUP);
        }
        if has_hung_up(client) { Ok(()) } else { server.write_all(rest) }
    }

    /// Before the chunk goes on: its writer waits for the answer, or at least does not get one in between.
    fn strikes_now(&self) -> Option<Blow> {
        let mut plan = lock(&self.plan);
        plan.written[self.who as usize] += 1;
        let (who, nth, blow) = plan.armed?;
        if who != self.who || plan.written[who as usize] != nth || !is_alive(self.pid) {
            return None;
        }
        match blow {
            Blow::Kill => sigkill(self.pid),
            Blow::Stop => sigstop(self.pid),
        }
        plan.armed = None;
        plan.striking = true;
        Some(blow)
    }

    /// When the server has what it gets of the chunk.
    fn has_struck(&self) {
        let mut plan = lock(&self.plan);
        (plan.striking, plan.struck) = (false, Some(self.pid));
        self.plan.1.notify_all();
    }
}

/// Passes bytes on until the server ends its side, or nobody takes them; then ends both.
fn pass_answers(mut server: UnixStream, mut client: UnixStream) {
    // They may be closed already.
    let _ = std::io::copy(&mut server, &mut client);
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

/// Waits until the socket is closed for both directions, or `what` is the case.
fn await_of(socket: &UnixStream, what: PollFlags) {
    while matches!(poll(&mut [PollFd::new(socket, what)], None), Err(rustix::io::Errno::INTR)) {}
}

/// Whether nothing can be written to the other side any more: what a server finds out in between its client's requests.
fn has_hung_up(socket: &UnixStream) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::empty())];
    let at_once = rustix::event::Timespec::default();
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

/// Where the requests end up to the last press of a key or a button; the whole length, when none is pressed.
fn behind_last_press(chunk: &[u8], xtest: u8) -> usize {
    let (mut at, mut behind) = (0, None);
    while let Some(&[major, minor, low, high]) = chunk.get(at..).and_then(<[u8]>::first_chunk) {
        let length = 4 * usize::from(u16::from_ne_bytes([low, high]));
        // Longer ones have their length elsewhere, and press nothing.
        let Some(request) = chunk.get(at..at + length.max(4)).filter(|request| request.len() == length) else { break };
        at += length;
        let presses = request.get(4).is_some_and(|kind| [KEY_PRESS_EVENT, BUTTON_PRESS_EVENT].contains(kind));
        if (major, minor) == (xtest, xtest::FAKE_INPUT_REQUEST) && presses {
            behind = Some(at);
        }
    }
    behind.unwrap_or(chunk.len())
}

fn major_opcode_of_xtest(display: &str) -> u8 {
    let (connection, _) = x11rb::connect(Some(display)).expect("a display");
    let extension = connection.extension_information(xtest::X11_EXTENSION_NAME).expect("an answer");
    extension.expect("the server has XTEST").major_opcode
}

fn socket_of(number: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/.X11-unix/X{number}"))
}

fn lock(plan: &(Mutex<Plan>, Condvar)) -> MutexGuard<'_, Plan> {
    plan.0.lock().unwrap_or_else(PoisonError::into_inner)
}
