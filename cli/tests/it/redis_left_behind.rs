//! What a command leaves on a Redis server whose network is slow: nothing, by the time that it has ended.

use std::time::Duration;

use tests::{
    proxy::{Pass, Proxy},
    redis_server::RedisServer,
    require,
};

use crate::run_fixture::Home;

/// How long a request is on its way: longer than a process that does not wait for the answer needs for its end.
const LATE: Pass = Pass::After(Duration::from_millis(200));

/// A home whose locks are on a server behind a network of its own.
struct Remote {
    home: Home,
    server: RedisServer,
    network: Proxy,
}

impl Remote {
    fn start() -> Self {
        let (home, server) = (Home::new(), RedisServer::start());
        let network = Proxy::to(&server.socket());
        home.write("talkstick.toml", &format!("lock.backend = \"redis://127.0.0.1:{}\"\n", network.port()));
        Self { home, server, network }
    }

    /// Whether somebody holds the key of this stem.
    fn is_held(&self, stem: &str) -> bool {
        !self.server.tell(&["HGET", &format!("talkstick:{{{stem}}}:lock"), "request"]).is_empty()
    }
}

#[test]
fn a_run_has_left_lock_and_inner_gate_by_its_end() {
    require!("redis-server", "redis-cli");
    let remote = Remote::start();
    let mut run = remote.home.start(&[], "echo > held; until [ -e stop ]; do sleep 0.01; done");
    remote.home.until_written("held");
    assert!(remote.is_held("k"));
    remote.network.requests(LATE);
    remote.home.write("stop", "");
    assert!(run.end().success());
    assert!(!remote.is_held("k") && !remote.is_held("k%01"), "left behind");
}
