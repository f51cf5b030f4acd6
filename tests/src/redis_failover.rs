//! A real master that a real Sentinel replaces by its replica.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::probe::{READY_WITHIN, until};
use crate::redis_sentinel::RedisSentinel;
use crate::redis_server::{RedisServer, free_port};

/// How the Sentinel calls the master.
pub const NAME: &str = "swarm";
/// How long a master is silent that the Sentinel takes for dead by itself: never here. It is told, so that one which a busy machine
/// does not run for a while is not replaced before the test wants it.
const SILENCE: Duration = Duration::from_secs(3600);

/// A master with one replica, and a Sentinel that has seen both.
#[derive(Debug)]
pub struct RedisFailover {
    /// The first master.
    pub master: RedisServer,
    /// What takes its place.
    pub replica: RedisServer,
    /// Who decides that, alone.
    pub sentinel: RedisSentinel,
    place_of_replica: u16,
}

impl RedisFailover {
    /// Starts them; all know of each other when this returns.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start() -> Self {
        let (first, second) = (free_port(), free_port());
        let options =
            |port: u16| vec!["--port".to_owned(), port.to_string(), "--repl-diskless-sync-delay".into(), "0".into()];
        let start =
            |options: Vec<String>| RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>());
        let master = start(options(first));
        let follow = ["--replicaof".to_owned(), "127.0.0.1".into(), first.to_string()];
        let replica = start([options(second), follow.to_vec()].concat());
        let sentinel = RedisSentinel::watch(NAME, first, SILENCE);
        let site = Self { master, replica, sentinel, place_of_replica: second };
        until(READY_WITHIN, "the replica has the master's data", || site.is_replicated());
        until(READY_WITHIN, "the Sentinel knows the replica", || {
            let known = site.sentinel.ask(&["SENTINEL", "REPLICAS", NAME]).unwrap_or_default();
            known.contains(&second.to_string()) && !known.contains("s_down") && known.contains("master-link-status\nok")
        });
        site
    }

    /// Whether the replica has all that was written: otherwise nobody could promise that a failover keeps it.
    ///
    /// # Panics
    /// When a server does not answer.
    pub fn is_replicated(&self) -> bool {
        // On one connection: WAIT is for what that one has written.
        let mut operator = UnixStream::connect(self.master.socket()).expect("the master listens");
        operator.write_all(b"SET ready 1\r\nWAIT 1 2000\r\n").expect("it is asked");
        let answers = BufReader::new(operator).lines().take(2);
        answers.map(|line| line.expect("its answer")).eq(["+OK", ":1"])
    }

    /// From now on the replica hears of nothing, and still counts as one that can take over.
    ///
    /// # Panics
    /// When a server does not answer.
    pub fn cut_replication(&self) {
        // It comes back at once, and asks for this.
        assert_eq!(self.master.tell(&["ACL", "SETUSER", "default", "-psync", "-sync"]), "OK");
        self.master.tell(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// As a user writes it. The first Sentinel of the list is not there.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{NAME}", free_port(), self.sentinel.port())
    }

    /// Kills the master; from then on the replica is it.
    ///
    /// # Panics
    /// When a server does not answer, or no other one takes its place.
    pub fn fail_over(&mut self) {
        self.master.kill();
        self.replace_the_master();
        until(READY_WITHIN, "the replica is the master", || self.names_the_replica());
    }

    /// Has the Sentinel put the replica into the master's place, whether that is well or dead; it goes on by itself then.
    ///
    /// # Panics
    /// When it refuses for long, as one does that has not heard of its replica lately.
    pub fn replace_the_master(&self) {
        until(READY_WITHIN, "the Sentinel begins a failover", || {
            self.sentinel.ask(&["SENTINEL", "FAILOVER", NAME]).as_deref() == Some("OK")
        });
    }

    /// Whether the Sentinel takes the replica for the master.
    pub fn names_the_replica(&self) -> bool {
        let (place, master) =
            (self.place_of_replica.to_string(), self.sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]));
        master.is_some_and(|master| master.lines().nth(1) == Some(place.as_str()))
    }
}
