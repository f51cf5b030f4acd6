//! A display in between: passes everything on to a real X server, and stops or kills one of its clients right behind the
//! nth thing that it wrote.
//!
//! What a client writes at once is one chunk here. A client that dies behind each of its chunks in turn dies in every state
//! that its server can see it in, with no need to meet a moment by chance.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
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
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is gone takes no more clients, as if they had come to it themselves.
                let Ok(server) = UnixStream::connect(&server) else { continue };
                Connection::pass_on(client, server, &shared);
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
}

impl Connection {
    fn pass_on(client: UnixStream, server: UnixStream, plan: &Arc<(Mutex<Plan>, Condvar)>) {
        let peer = rustix::net::sockopt::socket_peercred(&client).expect("a local client has a process");
        let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_keeper = words.split(|byte| *byte == 0).any(|word| word == b"keeper");
        let who = if is_keeper { Client::Keeper } else { Client::Sender };
        if is_keeper {
            lock(plan).keeper = Some(pid);
        }
        let connection = Self { who, pid, plan: Arc::clone(plan) };
        let (client_too, server_too) = (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
        thread::spawn(move || pump(client, server, || connection.strikes_now(), || connection.has_struck()));
        thread::spawn(move || pump(server_too, client_too, || false, || ()));
    }

    /// Before the chunk goes on: its writer waits for the answer, or at least does not get one in between.
    fn strikes_now(&self) -> bool {
        let mut plan = lock(&self.plan);
        plan.written[self.who as usize] += 1;
        let Some((who, nth, blow)) = plan.armed else { return false };
        if who != self.who || plan.written[who as usize] != nth || !is_alive(self.pid) {
            return false;
        }
        match blow {
            Blow::Kill => sigkill(self.pid),
            Blow::Stop => sigstop(self.pid),
        }
        plan.armed = None;
        plan.striking = true;
        true
    }

    /// When the server has the chunk.
    fn has_struck(&self) {
        let mut plan = lock(&self.plan);
        (plan.striking, plan.struck) = (false, Some(self.pid));
        self.plan.1.notify_all();
    }
}

/// Passes bytes on until one side ends; then ends both.
fn pump(mut from: UnixStream, mut to: UnixStream, strikes: impl Fn() -> bool, has_struck: impl Fn()) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let strikes = strikes();
        let written = to.write_all(&bytes[..length]);
        if strikes {
            has_struck();
        }
        if written.is_err() {
            break;
        }
    }
    // They may be closed already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn socket_of(number: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/.X11-unix/X{number}"))
}

fn lock(plan: &(Mutex<Plan>, Condvar)) -> MutexGuard<'_, Plan> {
    plan.0.lock().unwrap_or_else(PoisonError::into_inner)
}
