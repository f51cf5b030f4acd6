//! What a command leaves on Redis servers whose network is slow: nothing, by the time that it has ended.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tests::{
    proxy::{Pass, Proxy},
    redis_quorum::RedisQuorum,
    redis_server::RedisServer,
    require,
};

use crate::run_fixture::{Home, Running, text, until};

/// How long a request is on its way: longer than a process that does not wait for the answer needs for its end.
const LATE: Pass = Pass::After(Duration::from_millis(200));

/// A home whose locks are on servers behind networks of their own.
struct Remote {
    home: Home,
    servers: Vec<RedisServer>,
    networks: Vec<Proxy>,
}

impl Remote {
    fn one() -> Self {
        Self::on("redis", vec![RedisServer::start()])
    }

    fn quorum() -> Self {
        Self::on("redis+quorum", RedisQuorum::start_old(3, &[]).into_servers())
    }

    fn on(scheme: &str, servers: Vec<RedisServer>) -> Self {
        let networks: Vec<Proxy> = servers.iter().map(|server| Proxy::to(&server.socket())).collect();
        let places: Vec<String> = networks.iter().map(|network| format!("127.0.0.1:{}", network.port())).collect();
        let remote = Self { home: Home::new(), servers, networks };
        remote.configure(&format!("lock.backend = \"{scheme}://{}\"\n", places.join(",")));
        remote
    }

    /// Adds to talkstick.toml.
    fn configure(&self, more: &str) {
        let known = self.home.read("talkstick.toml");
        self.home.write("talkstick.toml", &(known + more));
    }

    fn be_late(&self) {
        self.networks.iter().for_each(|network| network.requests(LATE));
    }

    fn be_well(&self) {
        self.networks.iter().for_each(|network| network.requests(Pass::Now));
    }

    /// The keys in whose lines somebody stands, on any server.
    fn lines(&self) -> String {
        self.servers.iter().map(|server| server.tell(&["KEYS", "talkstick:*:line"])).collect()
    }

    /// The keys that somebody holds, on any server.
    fn held(&self) -> Vec<String> {
        let locks = |server: &RedisServer| {
            let locks = server.tell(&["KEYS", "talkstick:*:lock"]);
            let held = locks.lines().filter(|lock| !server.tell(&["HGET", lock, "request"]).is_empty());
            held.map(str::to_owned).collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(locks).collect()
    }

    fn until_in_line(&self) {
        let in_line = |server: &RedisServer| !server.tell(&["KEYS", "talkstick:*:line"]).is_empty();
        until("the ticket is in line", || self.servers.iter().all(in_line));
    }

    /// A holder of the key, until it is told to end.
    fn holder(&self, key: &str) -> Running {
        let script = "echo > held; exec sleep 60";
        let holder = Running(self.home.talkstick(&["run", key, "--", "sh", "-c", script]).spawn().unwrap());
        self.home.until_written("held");
        holder
    }

    /// Ends what waits in line, and looks at once what it has left.
    fn interrupted(&self, waits: Running, signal: Signal) -> ExitStatus {
        self.until_in_line();
        self.be_late();
        waits.signal(signal);
        let output = waits.end_with_output();
        assert_eq!(self.lines(), "", "left behind: {}", text(&output.stderr));
        self.be_well();
        output.status
    }
}

fn a_run_has_left_lock_and_inner_gate_by_its_end(remote: &Remote) {
    let mut run = remote.home.start(&[], "echo > held; until [ -e stop ]; do sleep 0.01; done");
    remote.home.until_written("held");
    assert!(!remote.held().is_empty());
    remote.be_late();
    remote.home.write("stop", "");
    assert!(run.end().success());
    assert_eq!(remote.held(), [""; 0], "left behind");
}

fn a_run_that_was_interrupted_in_line_has_left_it_by_its_end(remote: &Remote) {
    let _holder = remote.holder("k");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let waits = remote.home.start(&["-w", "60"], "echo must not run");
        assert_eq!(remote.interrupted(waits, signal).code(), Some(code));
    }
}

fn a_send_that_was_interrupted_in_line_has_left_it_by_its_end(remote: &Remote) {
    let (_desktop, agents) = crate::send::desktop();
    remote.configure(&agents);
    let send = ["--json", "send", "-a", "Agent-1", "-m", "x"];
    let plan = remote.home.talkstick(&[&send[..], &["--dry-run"]].concat()).output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let _holder = remote.holder(plan["key"].as_str().unwrap());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let waits = Running(remote.home.talkstick(&send).spawn().unwrap());
        assert_eq!(remote.interrupted(waits, signal).code(), Some(code));
    }
}

macro_rules! on_one_server_and_on_a_quorum {
    ($($test:ident)*) => {
        mod one {
            $(#[test] fn $test() {
                tests::require!("redis-server", "redis-cli");
                super::$test(&super::Remote::one());
            })*
        }
        mod quorum {
            $(#[test] fn $test() {
                tests::require!("redis-server", "redis-cli");
                super::$test(&super::Remote::quorum());
            })*
        }
    };
}

on_one_server_and_on_a_quorum! {
    a_run_has_left_lock_and_inner_gate_by_its_end
    a_run_that_was_interrupted_in_line_has_left_it_by_its_end
    a_send_that_was_interrupted_in_line_has_left_it_by_its_end
}

/// The server has recorded the lease, and it is given back because it counts as none.
#[test]
fn a_lease_that_too_few_replicas_have_is_given_back_by_the_end() {
    require!("redis-server", "redis-cli");
    let remote = Remote::one();
    // The lease is looked for while its replicas are waited for.
    remote.configure("redis.wait_replicas = 1\nredis.timeout = \"5s\"\n");
    let run = remote.home.start(&[], "echo must not run");
    until("the server has recorded the lease", || !remote.held().is_empty());
    remote.be_late();
    let output = run.end_with_output();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(69), ""), "{}", text(&output.stderr));
    assert_eq!(remote.held(), [""; 0], "left behind");
}

/// What cannot be told to a server that hangs holds nobody up for long.
#[test]
fn an_interrupted_wait_ends_though_the_server_hangs() {
    require!("redis-server", "redis-cli");
    let mut remote = Remote::one();
    let _holder = remote.holder("k");
    let waits = remote.home.start(&["-w", "60"], "echo must not run");
    remote.until_in_line();
    remote.servers[0].process().stop();
    let told = Instant::now();
    waits.signal(Signal::INT);
    let output = waits.end_with_output();
    let took = told.elapsed();
    remote.servers[0].process().go_on();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    // Two seconds are the bound, and ten what a call takes to fail.
    assert!(took < Duration::from_secs(8), "{took:?}");
}
