//! The desktop's own process: listening, one thread a connection, and the end with its parent.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    Address,
    desk::Desk,
    requests::Client,
    socket::Socket,
    transport::{Listener, Stream},
    wire::{Lines, Reply, Request, SimulatedError},
};

/// Most windows on one desktop.
pub const WINDOWS_MAX: u32 = 64;
/// Most connections at a time: each has a thread.
const CONNECTIONS_MAX: usize = 256;
/// A client that does not take its answer for this long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Begins the line that tells the address.
pub(super) const READY: &str = "talkstick-simulated-desktop ";

/// What the desktop looks like.
#[derive(Debug, Clone)]
pub struct DesktopConfig {
    /// How many agent windows, titled `Agent-1` and so on; 1 to [`WINDOWS_MAX`].
    pub windows: u32,
    /// From which all delays come.
    pub seed: u64,
    /// How often a window fetches the clipboard for one paste.
    pub fetches: u32,
    /// Where to listen.
    pub listen: Listen,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket in a new private folder; loopback TCP where there are none.
    Private,
    /// A Unix socket at this path, in a folder that only its owner can enter.
    Path(PathBuf),
    /// Loopback TCP, for those who know a key.
    Loopback,
}

impl Default for DesktopConfig {
    fn default() -> Self {
        Self { windows: 4, seed: 1, fetches: 1, listen: Listen::Private }
    }
}

/// Runs a simulated desktop until `parent` ends (the pipe whose other end is the parent's) or a fault kills it. Tells
/// `ready` where it listens, in one line.
///
/// # Errors
/// It cannot listen, or `ready` cannot be written.
pub fn serve(
    config: &DesktopConfig,
    parent: impl Read + Send + 'static,
    mut ready: impl Write,
) -> Result<(), SimulatedError> {
    let failed = |e| SimulatedError::new("start", "", e);
    if !(1..=WINDOWS_MAX).contains(&config.windows) || config.fetches == 0 {
        let wrong = format!("it takes 1 to {WINDOWS_MAX} windows, and at least one fetch a paste");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, wrong)));
    }
    let socket = Socket::bind(&config.listen).map_err(failed)?;
    let (end, ended) = mpsc::channel();
    let desk = Arc::new(Desk::new(config, end.clone()));
    let events = Arc::clone(&desk);
    spawn("events", move || events.run_events()).map_err(failed)?;
    let hall = Arc::new(Hall {
        desk,
        key: socket.key.clone(),
        open: Mutex::new(Some(Vec::new())),
        clients: AtomicU64::new(0),
    });
    let (doors, listener) = (Arc::clone(&hall), socket.listener);
    let accepting = spawn("accept", move || Hall::accept(&doors, &listener)).map_err(failed)?;
    spawn("parent", move || wait_for_end(parent, &end)).map_err(failed)?;
    writeln!(ready, "{READY}{}", socket.address).and_then(|()| ready.flush()).map_err(failed)?;
    // An error would mean that nobody is left who could end it.
    let _ended = ended.recv();
    hall.close(&socket.address);
    if accepting.join().is_err() {
        tracing::error!("the simulated desktop's listener panicked");
    }
    socket.cleanup.remove();
    Ok(())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Reads until the parent's end of the pipe is closed, by its will or by its death.
fn wait_for_end(mut parent: impl Read, end: &mpsc::Sender<()>) {
    let mut sink = [0; 256];
    loop {
        match parent.read(&mut sink) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    // The receiver is gone when a fault ended the desktop first.
    let _already_ended = end.send(());
}

/// All connections.
struct Hall {
    desk: Arc<Desk>,
    key: Option<String>,
    /// `None` once closed. Streams by client, to cut them off at the end.
    open: Mutex<Option<Vec<(u64, Stream)>>>,
    clients: AtomicU64,
}

impl Hall {
    fn accept(hall: &Arc<Self>, listener: &Listener) {
        loop {
            match listener.accept() {
                Ok(stream) => {
                    if !Self::admit(hall, stream) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection failed");
                    // Out of files, for instance: without a pause this would spin until one is closed.
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    /// Whether the hall is still open.
    fn admit(hall: &Arc<Self>, stream: Stream) -> bool {
        let mut open = hall.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = open.as_mut() else { return false };
        if streams.len() >= CONNECTIONS_MAX {
            tracing::warn!(max = CONNECTIONS_MAX, "too many connections; one was turned away");
            return true;
        }
        let id = hall.clients.fetch_add(1, Ordering::Relaxed);
        let Ok(copy) = stream.try_clone() else { return true };
        streams.push((id, copy));
        let room = Arc::clone(hall);
        if let Err(error) = spawn("client", move || room.attend(id, stream)) {
            tracing::warn!(%error, "a connection was turned away");
            streams.pop();
        }
        true
    }

    fn attend(&self, id: u64, stream: Stream) {
        if let Err(error) = self.converse(id, stream) {
            tracing::debug!(%error, client = id, "a connection ended");
        }
        self.desk.forget(id);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streams) = open.as_mut() {
            streams.retain(|(other, stream)| {
                if *other == id {
                    stream.shut_down();
                }
                *other != id
            });
        }
    }

    /// Answers until the client goes. What it cannot read ends the connection: the bytes after it mean nothing.
    fn converse(&self, id: u64, stream: Stream) -> io::Result<()> {
        stream.set_write_timeout(WRITE_TIMEOUT)?;
        let mut lines = Lines::new(stream)?;
        let mut client = Client::new(id);
        let mut known = self.key.is_none();
        loop {
            let request = match lines.receive() {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(e) => {
                    lines.send(&Reply::Failed { message: format!("not understood: {e}") })?;
                    return Err(e);
                }
            };
            let reply = match request {
                Request::Hello { key } => {
                    known |= self.key.as_ref() == Some(&key);
                    if known { Reply::Done } else { Reply::Failed { message: "a wrong key".into() } }
                }
                _ if !known => Reply::Failed { message: "the key comes first".into() },
                request => self.desk.answer(&mut client, request),
            };
            lines.send(&reply)?;
        }
    }

    fn close(&self, address: &Address) {
        let streams = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (_, stream) in streams.unwrap_or_default() {
            stream.shut_down();
        }
        // Wakes the listener, which finds the hall closed.
        if let Err(error) = Stream::connect(address) {
            tracing::debug!(%error, "the listener was not woken");
        }
    }
}
