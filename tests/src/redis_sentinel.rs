//! A real Sentinel that watches a real master.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::probe::{READY_WITHIN, until};
use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};
use crate::redis_server::{free_port, program};

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
        let (home, port) = (fresh_folder(), free_port());
        let config = home.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {name} {}\nsentinel failover-timeout {name} 5000\n",
            home.path().display(),
            silence.as_millis()
        );
        std::fs::write(&config, text).expect("the configuration is written");
        let mut command: Command = isolated(program(), home.path());
        command.arg(&config).arg("--sentinel");
        let process = Process::start_ending(command, Ending::Kill);
        let sentinel = Self { port, _process: process, home };
        until(READY_WITHIN, "the Sentinel answers", || sentinel.ask(&["PING"]).is_some_and(|pong| pong == "PONG"));
        sentinel
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
