//! A master, its replica, and a Sentinel that watches them.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLock, Error, Guard, Registry, StoreConfig};
use lock_redis::RedisLock;
use tests::{
    probe::{READY_WITHIN, until},
    redis_sentinel::RedisSentinel,
    redis_server::{RedisServer, free_port},
};

/// How the Sentinel calls the master.
pub(crate) const NAME: &str = "swarm";
/// How long a master is silent that is taken for dead: no busy machine stops one for so long.
const SILENCE: Duration = Duration::from_secs(1);

/// A master with one replica, and a Sentinel that has seen both.
pub(crate) struct Site {
    pub(crate) master: RedisServer,
    pub(crate) replica: RedisServer,
    pub(crate) sentinel: RedisSentinel,
    place_of_replica: u16,
}

impl Site {
    pub(crate) fn start() -> Self {
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
    pub(crate) fn is_replicated(&self) -> bool {
        let mut operator =
            redis::Client::open(self.master.url().replace("redis+", "")).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg("ready").arg(1).query::<()>(&mut operator).unwrap();
        redis::cmd("WAIT").arg(1).arg(2000).query::<i64>(&mut operator).unwrap() == 1
    }

    /// From now on the replica hears of nothing, and still counts as one that can take over.
    pub(crate) fn cut_replication(&self) {
        // It comes back at once, and asks for this.
        assert_eq!(self.master.tell(&["ACL", "SETUSER", "default", "-psync", "-sync"]), "OK");
        self.master.tell(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// As a user writes it. The first Sentinel of the list is not there.
    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{NAME}", free_port(), self.sentinel.port())
    }

    pub(crate) async fn client(&self) -> Arc<dyn DistributedLock> {
        let mut registry = Registry::new();
        RedisLock::register(&mut registry, Ok);
        registry.open(StoreConfig::new(self.url(), "/")).await.unwrap()
    }

    /// Kills the master; from then on the replica is it.
    pub(crate) fn fail_over(&mut self) {
        self.master.kill();
        until(READY_WITHIN, "the replica is the master", || self.names_the_replica());
    }

    /// Whether the Sentinel takes the replica for the master.
    pub(crate) fn names_the_replica(&self) -> bool {
        let (place, master) =
            (self.place_of_replica.to_string(), self.sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]));
        master.is_some_and(|master| master.lines().nth(1) == Some(place.as_str()))
    }
}

/// What the store says of a lease, once it can be asked: that it cannot be for a while is no loss.
pub(crate) async fn verified(guard: &Guard) -> Result<(), Error> {
    loop {
        match guard.verify().await {
            Ok(()) => return Ok(()),
            Err(lost @ Error::Lost { .. }) => return Err(lost),
            Err(_unknown) => tokio::task::yield_now().await,
        }
    }
}
