//! With a master and a replica.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLock, DistributedLockExt, Holder, LockKey, LossReason, Moment};
use tests::{
    probe::{READY_WITHIN, until},
    redis_server::{RedisServer, free_port},
    require,
};

use crate::{counts_again_with_its_replica, key, options};

/// The lease of those that lose it: longer than replicas are waited for, so that a renewal that counts wrongly comes in time to
/// prolong it.
const TTL: Duration = Duration::from_secs(5);

struct Pair {
    master: RedisServer,
    replica: RedisServer,
}

impl Pair {
    fn start() -> Self {
        let port = free_port().to_string();
        let master = RedisServer::start_with(&["--port", &port, "--repl-diskless-sync-delay", "0"]);
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
        let mut operator = redis::Client::open(master.url().replace("redis+", "")).unwrap().get_connection().unwrap();
        let mut is_written = |patience_ms: u32| {
            redis::cmd("SET").arg("ready").arg(1).query::<()>(&mut operator).unwrap();
            redis::cmd("WAIT").arg(1).arg(patience_ms).query::<i64>(&mut operator).unwrap() == 1
        };
        until(READY_WITHIN, "the replica has synchronised", || is_written(100));
        // What comes behind the first copy is sent only when the replica has said, within a second, that it has that one.
        until(READY_WITHIN, "the replica follows", || is_written(2000));
        Self { master, replica }
    }
}

async fn client(server: &RedisServer, wait_replicas: u32) -> Arc<dyn DistributedLock> {
    crate::client(&server.url(), wait_replicas).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_on_the_replica_and_survives_its_promotion() {
    require!("redis-server", "redis-cli");
    let mut pair = Pair::start();
    let careful = client(&pair.master, 1).await;
    for _ in 0..50 {
        let guard = careful.acquire(&key(), &options()).await.unwrap();
        // No wait: what counts is there already.
        assert_eq!(pair.replica.tell(&["HGET", "talkstick:{k}:lock", "token"]), guard.token().to_string());
        guard.release().await.unwrap();
    }
    let looked_at = LockKey::new("looked at").unwrap();
    let lasting = careful.acquire(&looked_at, &options().ttl(Duration::from_secs(3600))).await.unwrap();
    let guard = careful.acquire(&key(), &options().ttl(TTL)).await.unwrap();
    pair.master.kill();
    assert_eq!(pair.replica.tell(&["REPLICAOF", "NO", "ONE"]), "OK");
    let promoted = client(&pair.replica, 0).await;
    let state = promoted.inspect(&looked_at).await.unwrap();
    assert!(matches!(state.holder, Holder::Lease { token, .. } if token == lasting.token()), "{state:?}");
    let next = promoted.acquire(&key(), &options()).await.unwrap();
    assert!(next.token() > guard.token());
    assert!(guard.check().is_err(), "the old holder knew before");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_replica_a_grant_does_not_count() {
    require!("redis-server", "redis-cli");
    let mut pair = Pair::start();
    let (careful, plain) = (client(&pair.master, 1).await, client(&pair.master, 0).await);
    counts_again_with_its_replica(careful, &plain, pair.replica.process()).await.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_that_no_replica_has_do_not_count() {
    require!("redis-server", "redis-cli");
    let mut pair = Pair::start();
    let careful = client(&pair.master, 1).await;
    let guard = careful.acquire(&key(), &options().ttl(TTL)).await.unwrap();
    guard.verify().await.unwrap();
    pair.replica.process().stop();
    let stopped = Moment::now();
    // The server has it; that is not enough.
    assert!(guard.verify().await.is_err(), "no replica has this renewal");
    assert_eq!(guard.lost().await, LossReason::Expired);
    // None that was sent after that has prolonged it.
    assert!(guard.deadline().unwrap() < stopped + TTL);
}
