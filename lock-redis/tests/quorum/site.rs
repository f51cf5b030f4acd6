//! A quorum of real servers, its clients, and what its servers can do to them.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLock, DistributedLockExt, Error, FencingToken, Guard};
use tests::{
    probe::{READY_WITHIN, until},
    proxy::Proxy,
    redis_quorum::RedisQuorum,
};

use crate::client::client_with_timeout;
pub(crate) use crate::client::{key, options};

/// What is answered outlives the process: it is the system's to bring to disk.
pub(crate) const LOG: &[&str] = &["--appendonly", "yes", "--appendfsync", "no"];

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) async fn client(url: String) -> Arc<dyn DistributedLock> {
    client_with_timeout(&url, TIMEOUT).await
}

pub(crate) async fn hold(lock: &Arc<dyn DistributedLock>) -> Guard {
    lock.acquire(&key(), &options()).await.unwrap()
}

/// A client of one server alone.
pub(crate) async fn of_one(quorum: &RedisQuorum, at: usize) -> Arc<dyn DistributedLock> {
    client(format!("redis://127.0.0.1:{}", quorum.port(at))).await
}

/// Networks to the servers, and the URL of their far ends.
pub(crate) fn networks(quorum: &mut RedisQuorum) -> (Vec<Proxy>, String) {
    let networks: Vec<Proxy> = (0..quorum.len()).map(|at| Proxy::to(&quorum.server(at).socket())).collect();
    let places: Vec<String> = networks.iter().map(|network| format!("127.0.0.1:{}", network.port())).collect();
    (networks, format!("redis+quorum://{}", places.join(",")))
}

/// What one server has of the lock's record.
pub(crate) fn field(quorum: &mut RedisQuorum, at: usize, name: &str) -> String {
    quorum.server(at).tell(&["HGET", "talkstick:{k}:lock", name])
}

pub(crate) fn until_held_by(quorum: &mut RedisQuorum, at: usize, token: FencingToken) {
    until(READY_WITHIN, "the server has the lease", || field(quorum, at, "token") == token.to_string());
}

/// A grant counts with a majority: the others hear of it a moment later.
pub(crate) fn until_held_by_all(quorum: &mut RedisQuorum, token: FencingToken) {
    (0..quorum.len()).for_each(|at| until_held_by(quorum, at, token));
}

/// What an error says beneath its first line.
pub(crate) fn said(error: &Error) -> String {
    let Error::Store { source, .. } = error else { panic!("not said to be the store's: {error}") };
    source.to_string()
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Killed,
    Stopped,
    Flushed,
    RestartedEmpty,
}

pub(crate) fn begin(quorum: &mut RedisQuorum, at: usize, fault: Fault) {
    match fault {
        Fault::Killed => quorum.server(at).kill(),
        Fault::Stopped => quorum.server(at).process().stop(),
        Fault::Flushed => assert_eq!(quorum.server(at).tell(&["FLUSHALL"]), "OK"),
        Fault::RestartedEmpty => {
            quorum.server(at).kill();
            quorum.server(at).start_again();
        }
    }
}

pub(crate) fn end(quorum: &mut RedisQuorum, at: usize, fault: Fault) {
    match fault {
        Fault::Killed => quorum.server(at).start_again(),
        Fault::Stopped => quorum.server(at).process().go_on(),
        Fault::Flushed | Fault::RestartedEmpty => {}
    }
}
