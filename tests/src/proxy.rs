//! A network between a client and a server: it delays, drops, cuts and resets on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::probe::{READY_WITHIN, until};

/// What becomes of the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// They arrive.
    Now,
    /// They arrive so much later.
    After(Duration),
    /// They wait until they may arrive.
    Later,
    /// They vanish, and nobody is told.
    Never,
    /// So many more of them arrive; then the connection is reset.
    ThenReset(usize),
}

/// How soon bytes that wait go on when they may.
const PAUSE: Duration = Duration::from_millis(2);

/// A network on the loopback interface to a server on a Unix socket. Dropping it ends all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    /// Of connections to come.
    rules: Mutex<Rules>,
    connections: Mutex<Vec<Weak<Ends>>>,
    taken: AtomicUsize,
    ended: AtomicBool,
}

/// The two ends of one connection. When both of its directions have ended, the client is told by a reset.
#[derive(Debug)]
struct Ends {
    client: TcpStream,
    server: UnixStream,
    rules: Mutex<Rules>,
    /// What the client has sent waits.
    waits: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    requests: Pass,
    replies: Pass,
}

impl Proxy {
    /// A network that lets everything through to the server at `socket`.
    ///
    /// # Panics
    /// When the loopback interface has no port.
    pub fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback interface");
        let port = listener.local_addr().expect("the port's number").port();
        let shared = Arc::new(Shared {
            server: socket.to_owned(),
            rules: Mutex::new(Rules::WELL),
            connections: Mutex::default(),
            taken: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let listener = Some(std::thread::spawn(move || serve(&listener, &served)));
        Self { port, shared, listener }
    }

    /// The port that clients connect to, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has taken so far.
    pub fn connections_taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }

    /// From now on, what becomes of what clients send, on every connection.
    pub fn requests(&self, pass: Pass) {
        self.set(true, |rules| rules.requests = pass);
    }

    /// From now on, what becomes of what the server sends, on every connection.
    pub fn replies(&self, pass: Pass) {
        self.set(true, |rules| rules.replies = pass);
    }

    /// From now on, what becomes of what the server sends on the connections that are open now. New ones are well.
    pub fn replies_of_open_ones(&self, pass: Pass) {
        self.set(false, |rules| rules.replies = pass);
    }

    /// From now on, what becomes of what clients send on the connections that are open now. New ones are well.
    pub fn requests_of_open_ones(&self, pass: Pass) {
        self.set(false, |rules| rules.requests = pass);
    }

    /// Nothing arrives any more, in either direction; connections stay open and new ones are taken.
    pub fn partition(&self) {
        self.set(true, |rules| *rules = Rules { requests: Pass::Never, replies: Pass::Never });
    }

    /// Everything arrives again, on new connections: the old ones have lost bytes, and are reset.
    pub fn heal(&self) {
        self.set(true, |rules| *rules = Rules::WELL);
        self.reset();
    }

    /// Waits until what a client has sent waits; then the clients of all connections there are find them closed, and what waits may
    /// still arrive.
    ///
    /// # Panics
    /// When nothing is sent that waits.
    pub fn hang_up(&self) {
        let open = || self.shared.connections().iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
        until(READY_WITHIN, "a request waits", || open().iter().any(|ends| ends.waits.load(Ordering::SeqCst)));
        for ends in open() {
            // Nobody is there to write to, which must not end the other direction.
            held(&ends.rules).replies = Pass::Never;
            // One that has gone already needs no telling.
            let _closed = ends.client.shutdown(Shutdown::Both);
        }
    }

    fn set(&self, new_ones_too: bool, change: impl Fn(&mut Rules)) {
        // Under the lock of the connections: none is opened meanwhile by the old rules.
        let connections = self.shared.connections();
        if new_ones_too {
            change(&mut held(&self.shared.rules));
        }
        connections.iter().filter_map(Weak::upgrade).for_each(|ends| change(&mut held(&ends.rules)));
    }

    /// Resets all connections there are.
    pub fn reset(&self) {
        for ends in self.shared.connections().drain(..).filter_map(|ends| ends.upgrade()) {
            // What still waits never arrives.
            *held(&ends.rules) = Rules { requests: Pass::Never, replies: Pass::Never };
            ends.end();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.reset();
        // The thread sits in accept: a connection of our own wakes it.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(listener) = self.listener.take() {
            // Its panic was printed where it happened.
            let _ended = listener.join();
        }
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Weak<Ends>>> {
        held(&self.connections)
    }
}

impl Rules {
    const WELL: Self = Self { requests: Pass::Now, replies: Pass::Now };
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        // A client that has gone again, or a server that is down: the connection ends, as it would without us.
        let Ok(client) = client else { continue };
        shared.taken.fetch_add(1, Ordering::SeqCst);
        let Ok(server) = UnixStream::connect(&shared.server) else { continue };
        // A failure here is a client that sees a closed connection, and says so.
        let _ended = join(client, server, shared);
    }
}

fn join(client: TcpStream, server: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    // Closed with bytes unsent, or without: the client sees a reset, not an orderly end.
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    let mut connections = shared.connections();
    let rules = Mutex::new(*held(&shared.rules));
    let ends = Arc::new(Ends { client, server, rules, waits: AtomicBool::new(false) });
    connections.push(Arc::downgrade(&ends));
    drop(connections);
    let (up, down) = (Arc::clone(&ends), ends);
    std::thread::spawn(move || {
        pump(&up.client, &up.server, || up.rule_of_requests());
        up.end();
    });
    std::thread::spawn(move || {
        pump(&down.server, &down.client, || held(&down.rules).replies);
        down.end();
    });
    Ok(())
}

impl Ends {
    /// For bytes that have come.
    fn rule_of_requests(&self) -> Pass {
        let rule = held(&self.rules).requests;
        self.waits.store(rule == Pass::Later, Ordering::SeqCst);
        rule
    }

    /// Wakes both directions, which end then. A side that is closed already needs no more.
    fn end(&self) {
        let _closed = self.client.shutdown(Shutdown::Read);
        let _closed = self.server.shutdown(Shutdown::Both);
    }
}

/// The rule for bytes that have come, when there is one by which they need not wait.
fn now(rule: impl Fn() -> Pass) -> Pass {
    loop {
        match rule() {
            Pass::Later => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

/// Carries one direction of one connection until it ends.
fn pump(mut from: impl Read, mut to: impl Write, rule: impl Fn() -> Pass) {
    let mut buffer = [0; 16 * 1024];
    let mut carried = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        let bytes = &buffer[..count];
        let written = match now(&rule) {
            Pass::Later | Pass::Never => Ok(()),
            Pass::Now => to.write_all(bytes),
            Pass::After(late) => {
                std::thread::sleep(late);
                to.write_all(bytes)
            }
            Pass::ThenReset(limit) => {
                let rest = limit.saturating_sub(carried).min(count);
                carried += count;
                let written = to.write_all(&bytes[..rest]);
                if carried >= limit {
                    return;
                }
                written
            }
        };
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_server::RedisServer;

    fn ask(proxy: &Proxy, within: Duration) -> std::io::Result<Vec<u8>> {
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port()))?;
        client.set_read_timeout(Some(within))?;
        client.write_all(b"PING\r\n")?;
        let mut reply = Vec::new();
        let mut buffer = [0; 64];
        while reply.len() < b"+PONG\r\n".len() {
            match client.read(&mut buffer)? {
                0 => break,
                count => reply.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(reply)
    }

    #[test]
    fn it_carries_loses_and_cuts() {
        crate::require!("redis-server", "redis-cli");
        let server = RedisServer::start();
        let proxy = Proxy::to(&server.socket());
        let long = Duration::from_secs(20);
        assert_eq!(ask(&proxy, long).unwrap(), b"+PONG\r\n");
        proxy.replies(Pass::Never);
        assert!(ask(&proxy, Duration::from_millis(100)).is_err(), "nothing comes back");
        proxy.replies(Pass::ThenReset(3));
        // What has arrived may be lost to a reset, as on a real network.
        assert!(ask(&proxy, long).map_or(true, |reply| reply.len() <= 3 && b"+PONG".starts_with(&reply)));
        proxy.replies(Pass::After(Duration::from_millis(50)));
        let asked = std::time::Instant::now();
        assert_eq!(ask(&proxy, long).unwrap(), b"+PONG\r\n");
        assert!(asked.elapsed() >= Duration::from_millis(50));
        proxy.partition();
        assert!(ask(&proxy, Duration::from_millis(100)).is_err());
        proxy.heal();
        assert_eq!(ask(&proxy, long).unwrap(), b"+PONG\r\n");
    }

    #[test]
    fn what_waits_arrives_although_its_client_was_hung_up_on() {
        crate::require!("redis-server", "redis-cli");
        let server = RedisServer::start();
        let proxy = Proxy::to(&server.socket());
        proxy.requests(Pass::Later);
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.write_all(b"SET k v\r\n").unwrap();
        proxy.hang_up();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "the client finds it closed");
        assert_eq!(server.tell(&["GET", "k"]), "");
        proxy.requests(Pass::Now);
        until(READY_WITHIN, "it arrives", || server.tell(&["GET", "k"]) == "v");
    }
}
