//! A real Redis server, alone in a folder of its own.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::probe::{READY_WITHIN, until};
use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};
use crate::require::require_that;

/// A running redis-server on a unix socket, without persistence unless told otherwise.
///
/// It keeps its place when it is killed and started again.
#[derive(Debug)]
pub struct RedisServer {
    /// What runs it where it is to run; may be empty.
    within: Vec<String>,
    options: Vec<String>,
    process: Process,
    home: TempDir,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more options, such as `["--appendonly", "yes"]`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_within(Vec::new(), options)
    }

    /// Starts one by another program, such as `ip netns exec NAME`: see [`crate::hosts::Hosts`].
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_within(within: Vec<String>, options: &[&str]) -> Self {
        let home = fresh_folder();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = Process::start_ending(command(&within, &home, &options), Ending::Kill);
        let server = Self { within, options, process, home };
        server.until_ready();
        server
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        socket(&self.home)
    }

    /// Its URL for talkstick.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its folder: for what it reads, and what it keeps.
    pub fn folder(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The server's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it with SIGKILL; its socket refuses everybody from then on.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again in its folder, after [`RedisServer::kill`].
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        self.process = Process::start_ending(command(&self.within, &self.home, &self.options), Ending::Kill);
        self.until_ready();
    }

    /// Runs one command as an operator would; gives what redis-cli prints, one line for each value.
    ///
    /// # Panics
    /// When redis-cli fails.
    pub fn tell(&self, words: &[&str]) -> String {
        self.ask(words).unwrap_or_else(|error| panic!("redis-cli {words:?}: {error}"))
    }

    /// As [`RedisServer::tell`], where the server may be away or end the connection just then.
    ///
    /// # Errors
    /// What redis-cli says.
    pub fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut cli = isolated("redis-cli", self.home.path());
        let output = cli.arg("-s").arg(self.socket()).args(words).output().expect("redis-cli starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// How often it was given a command so far, also by scripts.
    ///
    /// # Panics
    /// When redis-cli fails, or the server says no number.
    pub fn calls(&self, command: &str) -> u64 {
        let counts = self.tell(&["INFO", "commandstats"]);
        let before = format!("cmdstat_{command}:calls=");
        let Some(rest) = counts.lines().find_map(|line| line.strip_prefix(&before)) else { return 0 };
        rest.split(',').next().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no count in {rest}"))
    }

    fn until_ready(&self) {
        until(READY_WITHIN, "redis-server answers", || {
            let Ok(mut stream) = UnixStream::connect(self.socket()) else { return false };
            let mut answer = [0; 5];
            let asked =
                stream.set_read_timeout(Some(Duration::from_secs(1))).and_then(|()| stream.write_all(b"PING\r\n"));
            // That it wants a password is an answer too; that it is still loading its data is none.
            asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && &answer != b"-LOAD"
        });
    }
}

/// Names another server to test against: another version, a Valkey.
const PROGRAM: &str = "TALKSTICK_TEST_REDIS_SERVER";

/// The server that is tested against.
pub fn program() -> OsString {
    std::env::var_os(PROGRAM).unwrap_or_else(|| "redis-server".into())
}

/// Its major version: options and commands that only tests need have come since 6.2.
///
/// # Panics
/// When it does not say one.
pub fn major_version() -> u32 {
    static MAJOR: LazyLock<u32> = LazyLock::new(|| {
        let said = Command::new(program()).arg("--version").output().expect("redis-server starts");
        let said = String::from_utf8_lossy(&said.stdout);
        let digits = said.split_once(" v=").and_then(|(_, rest)| rest.split('.').next());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no version in: {said}"))
    });
    *MAJOR
}

/// Returns from the calling test, loudly, when the server that is tested against was built without TLS.
#[macro_export]
macro_rules! require_tls {
    () => {
        if !$crate::redis_server::speaks_tls() {
            return;
        }
    };
}

/// Whether it was built with TLS; says on the terminal when not.
///
/// # Panics
/// When it was not, and is the installed one, and the environment has `CI`.
pub fn speaks_tls() -> bool {
    // Without certificates it does not start; without TLS it says something else.
    let home = fresh_folder();
    let tried = isolated(program(), home.path()).args(["--port", "0", "--tls-port", "1"]).output();
    let tried = tried.expect("redis-server starts");
    let said = String::from_utf8_lossy(&[tried.stdout, tried.stderr].concat()).into_owned();
    if said.contains("Failed to configure TLS") {
        return true;
    }
    let why = format!("{} speaks no TLS", program().display());
    if std::env::var_os(PROGRAM).is_none() {
        return require_that(Err(why));
    }
    // Written to the stream itself: the test runner swallows what `eprintln!` says in a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {why}", std::thread::current().name().unwrap_or("a test"));
    false
}

/// The options that allow DEBUG, which 6.2 allows always.
pub fn with_debug() -> Vec<&'static str> {
    if major_version() < 7 { Vec::new() } else { vec!["--enable-debug-command", "local"] }
}

fn socket(home: &TempDir) -> PathBuf {
    home.path().join("redis.sock")
}

fn command(within: &[String], home: &TempDir, options: &[String]) -> Command {
    let program = program();
    let mut words = within.iter().map(OsStr::new).chain([program.as_os_str()]);
    let mut command = isolated(words.next().expect("at least one"), home.path());
    command.args(words);
    command.args(["--port", "0", "--unixsocket"]).arg(socket(home)).arg("--dir").arg(home.path());
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).args(options);
    command
}

/// A port on the loopback interface, for servers that cannot be told to choose one, and for addresses where nobody is.
///
/// For a minute the system gives it to nobody who does not ask for it by number: a connection of it waits for late packets
/// (TIME_WAIT). A port that is merely closed again may be anybody's by the time the server is there.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback interface");
    let address = listener.local_addr().expect("the port's number");
    let theirs = TcpStream::connect(address).expect("a connection to it");
    let (ours, _) = listener.accept().expect("that connection");
    // Who ends a connection first is who waits.
    drop(ours);
    drop(theirs);
    address.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_given_once_and_can_be_had_by_its_number() {
        let ports: Vec<u16> = (0..2000).map(|_| free_port()).collect();
        let different: std::collections::HashSet<u16> = ports.iter().copied().collect();
        assert_eq!(different.len(), ports.len());
        TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    }
}
