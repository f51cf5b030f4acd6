//! A master that a real Sentinel replaces, under those who hold and wait.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, Holder, LockKey, Moment};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_failover::{NAME, RedisFailover},
    redis_sentinel::RedisSentinel,
    redis_server::free_port,
    require,
};
use tokio::task::JoinHandle;

use crate::site::{TIMEOUT, client, verified};

/// Those that wait through the failover.
const WAITERS: usize = 4;

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(60)).ttl(Duration::from_secs(20))
}

/// Tasks of as many clients in line, in their order.
async fn in_line(site: &RedisFailover, holder: &Arc<dyn DistributedLock>) -> Vec<JoinHandle<Guard>> {
    let mut waiters = Vec::new();
    for number in 1..=WAITERS {
        let lock = client(site).await;
        waiters.push(tokio::spawn(async move { lock.acquire(&key(), &options()).await.unwrap() }));
        while holder.inspect(&key()).await.unwrap().queue.len() < number {
            tokio::task::yield_now().await;
        }
    }
    waiters
}

/// The holder still holds on the new master, and the line goes on in its order.
async fn goes_on(holder: Guard, waiters: Vec<JoinHandle<Guard>>) {
    verified(&holder).await.unwrap();
    let mut last = (holder.token(), holder.lease().ticket);
    holder.release().await.unwrap();
    for waiter in waiters {
        let guard = waiter.await.unwrap();
        let now = (guard.token(), guard.lease().ticket);
        assert!(now.0 > last.0 && now.1 > last.1, "{now:?} after {last:?}");
        last = now;
        guard.release().await.unwrap();
    }
}

/// A holder and its line, which the replica has, too.
async fn held_and_replicated(site: &RedisFailover) -> (Guard, Vec<JoinHandle<Guard>>) {
    let lock = client(site).await;
    let holder = lock.acquire(&key(), &options()).await.unwrap();
    let waiters = in_line(site, &lock).await;
    until(READY_WITHIN, "the replica has it all", || site.is_replicated());
    (holder, waiters)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_replaced_and_holder_and_line_go_on() {
    require!("redis-server", "redis-cli");
    let mut site = RedisFailover::start();
    let (holder, waiters) = held_and_replicated(&site).await;
    site.fail_over();
    goes_on(holder, waiters).await;
    assert!(site.replica.tell(&["ROLE"]).starts_with("master"));
    // A client that comes now finds the new master.
    let state = client(&site).await.inspect(&key()).await.unwrap();
    assert_eq!((state.holder, state.queue.len()), (Holder::Free, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_becomes_a_replica_is_left_for_the_new_one() {
    require!("redis-server", "redis-cli");
    let site = RedisFailover::start();
    let (holder, waiters) = held_and_replicated(&site).await;
    site.replace_the_master();
    until(READY_WITHIN, "the old master follows", || {
        site.master.ask(&["ROLE"]).is_ok_and(|role| role.starts_with("slave"))
    });
    goes_on(holder, waiters).await;
    assert!(site.replica.tell(&["ROLE"]).starts_with("master"));
}

/// A Sentinel takes up to 10 s to demote a master that answers, and cannot demote one that it cannot reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_goes_on_is_left_as_soon_as_the_sentinel_names_another() {
    require!("redis-server", "redis-cli");
    let site = RedisFailover::start();
    let (holder, waiters) = held_and_replicated(&site).await;
    assert_eq!(site.master.tell(&["ACL", "SETUSER", "default", "-replicaof", "-slaveof"]), "OK");
    site.replace_the_master();
    until(READY_WITHIN, "the Sentinel names another master", || site.names_the_replica());
    let named = Moment::now();
    // Nothing but the Sentinel tells them.
    until(READY_WITHIN, "holder and waiters are there", || {
        site.replica.tell(&["PUBSUB", "CHANNELS"]).lines().count() > WAITERS
    });
    println!("{} clients were on the new master {:.1?} after it was named", WAITERS + 1, named.elapsed());
    goes_on(holder, waiters).await;
    assert!(site.master.tell(&["ROLE"]).starts_with("master"), "it knows nothing of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sentinel_and_an_unknown_master_are_said() {
    require!("redis-server", "redis-cli");
    let sentinel = RedisSentinel::watch(NAME, free_port(), Duration::from_secs(5));
    let said = async |url: String| {
        let mut config = RedisConfig::parse(&url).unwrap();
        config.timeout = TIMEOUT;
        let error = RedisLock::open(config).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("redis+sentinel://127.0.0.1:") && !source.contains("secret"), "{source}");
        source
    };
    let unknown = said(format!("redis+sentinel://:secret@127.0.0.1:{}/other", sentinel.port())).await;
    assert!(unknown.contains("know no master `other`") && unknown.contains("SENTINEL MASTERS"), "{unknown}");
    let nobody = said(format!("redis+sentinel://127.0.0.1:{}/{NAME}", free_port())).await;
    assert!(nobody.contains("no Sentinel of") && nobody.contains("check their addresses"), "{nobody}");
    let down = said(format!("redis+sentinel://127.0.0.1:{}/{NAME}", sentinel.port())).await;
    assert!(down.contains("cannot be reached"), "{down}");
}
