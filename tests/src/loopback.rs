//! A tiny HTTP server on the loopback interface: it serves one page and takes what the page reports.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The largest report that is taken, in bytes.
const REPORT_BYTES: usize = 1 << 20;

/// The longest request line or header that is read, in bytes.
const HEAD_BYTES: u64 = 16 * 1024;

/// How many connections are served at a time; more are refused.
const CONNECTIONS: usize = 32;

/// How long a connection may say nothing: browsers open some that they never use.
const SILENCE: Duration = Duration::from_secs(10);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    page: String,
    reports: Mutex<Vec<String>>,
    open: AtomicUsize,
    ended: AtomicBool,
}

impl Loopback {
    /// Serves `page` (HTML) at a port that the system chooses.
    ///
    /// # Panics
    /// When the loopback interface has none.
    pub fn serve(page: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback interface");
        let address = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared {
            page: page.to_owned(),
            reports: Mutex::default(),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &served));
        Self { address, shared, thread: Some(thread) }
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The bodies of all POST requests so far, in the order of their arrival.
    pub fn reports(&self) -> Vec<String> {
        self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // The thread sits in accept: a connection of our own wakes it.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if shared.open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            shared.open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A connection that breaks is the browser's business: it asks again.
            let _ = answer(&connection, &shared);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Answers one request and closes.
fn answer(mut connection: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    connection.set_read_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(connection);
    let mut head = reader.by_ref().take(HEAD_BYTES);
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if head.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(usize::MAX);
        }
    }
    let (status, body) = if request.starts_with("GET / ") {
        ("200 OK", shared.page.as_str())
    } else if request.starts_with("POST ") && length <= REPORT_BYTES {
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let report = String::from_utf8_lossy(&body).into_owned();
        shared.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        ("200 OK", "")
    } else {
        ("404 Not Found", "")
    };
    let size = body.len();
    write!(connection, "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n")?;
    write!(connection, "Content-Length: {size}\r\nConnection: close\r\n\r\n{body}")?;
    connection.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &Loopback, request: &str) -> String {
        let mut connection = TcpStream::connect(server.address).expect("the server listens");
        connection.write_all(request.as_bytes()).expect("it takes a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn serves_its_page_and_takes_reports() {
        let server = Loopback::serve("<p>page</p>");
        assert!(ask(&server, "GET / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n<p>page</p>"));
        assert!(ask(&server, "GET /favicon.ico HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        ask(&server, "POST /report HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(server.reports(), ["hello"]);
    }

    #[test]
    fn refuses_a_report_that_is_too_long() {
        let server = Loopback::serve("");
        assert!(ask(&server, "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert_eq!(server.reports().len(), 0);
    }
}
