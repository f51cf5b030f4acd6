//! A real Sentinel that watches a real master.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::probe::{READY_WITHIN, until};
use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};
use crate::redis_server::{free_port, major_version, program};

/// How long its failover may take. One that it gives up, because it took a slow replica for dead, is followed by the next after
/// twice as long: that must fit into what tests wait.
const FAILOVER_WITHIN: Duration = Duration::from_secs(3);

/// Its log, in its folder.
const LOG: &str = "sentinel.log";

/// A running Sentinel on the loopback interface, that decides alone.
#[derive(Debug)]
pub struct RedisSentinel {
    port: u16,
    _process: Process,
    home: TempDir,
}

impl RedisSentinel {
    /// Starts one that calls the server at `master` so, and takes it for dead after `silence`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn watch(name: &str, master: u16, silence: Duration) -> Self {
        let sentinel = Self::watch_with(name, master, silence, &[]);
        until(READY_WITHIN, "the Sentinel answers", || sentinel.ask(&["PING"]).is_some_and(|pong| pong == "PONG"));
        if major_version() >= 7 {
            // One that a busy machine did not run for 2 s does nothing for the next 30 s, unless told otherwise.
            assert_eq!(sentinel.ask(&["SENTINEL", "DEBUG", "tilt-period", "1000"]).as_deref(), Some("OK"));
        }
        sentinel
    }

    /// Starts one with more lines in its configuration, such as `requirepass WORD`. It may not answer yet.
    ///
    /// # Panics
    /// When the system gives no folder, port or process.
    pub fn watch_with(name: &str, master: u16, silence: Duration, lines: &[String]) -> Self {
        let (home, port) = (fresh_folder(), free_port());
        let config = home.path().join("sentinel.conf");
        // With TLS it listens for nothing else.
        let tls = lines.iter().any(|line| line.starts_with("tls-"));
        let listens = if tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
        let text = format!(
            "{listens}\nbind 127.0.0.1\ndir {}\nlogfile {LOG}\nsentinel monitor {name} 127.0.0.1 {master} 1\n\
             {}\nsentinel down-after-milliseconds {name} {}\nsentinel failover-timeout {name} {}\n",
            home.path().display(),
            lines.join("\n"),
            silence.as_millis(),
            FAILOVER_WITHIN.as_millis()
        );
        std::fs::write(&config, text).expect("the configuration is written");
        let mut command: Command = isolated(program(), home.path());
        command.arg(&config).arg("--sentinel");
        let process = Process::start_ending(command, Ending::Kill);
        Self { port, _process: process, home }
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it answers, one line for each value; `None` while it does not.
    pub fn ask(&self, words: &[&str]) -> Option<String> {
        let mut cli = isolated("redis-cli", self.home.path());
        let output = cli.args(["-p", &self.port.to_string()]).args(words).output().expect("redis-cli starts");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Drop for RedisSentinel {
    /// Says what it did when the test has failed: why it did not do something, nobody else knows.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.home.path().join(LOG)).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "the Sentinel's log:\n{log}");
        }
    }
}
