//! Slots that move from one master to another, under those who hold, wait and ask.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Holder, LockKey};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_cluster::RedisCluster,
    require,
};

use crate::{key, options, tag};

/// Long, for the move is as long as this test makes it on a machine that is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

async fn client(cluster: &RedisCluster) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(&cluster.url()).unwrap();
    config.timeout = ANSWER_WITHIN;
    Arc::new(RedisLock::open(config).await.unwrap())
}

/// How often a node has run a command, or given an error of this kind.
fn count(cluster: &RedisCluster, node: usize, section: &str, name: &str) -> u64 {
    let info = cluster.nodes()[node].server.tell(&["INFO", section]);
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":c"));
    let digits = line.and_then(|rest| rest.split_once('=')).map(|(_, rest)| rest.split([',', '\r']).next().unwrap());
    digits.map_or(0, |digits| digits.parse().unwrap())
}

fn asked(cluster: &RedisCluster, node: usize) -> u64 {
    count(cluster, node, "commandstats", "cmdstat_asking")
}

/// How often somebody was told by any node that the slot is elsewhere.
fn redirected(cluster: &RedisCluster) -> u64 {
    (0..3).map(|node| count(cluster, node, "errorstats", "errorstat_MOVED")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_and_a_filled_slot_are_found_where_they_went() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let (holder_lock, waiter_lock) = (client(&cluster).await, client(&cluster).await);
    let slot = cluster.slot_of(&tag(&key()));
    let mut last = None;
    for round in 0..3 {
        let from = cluster.keeper_of(slot);
        let to = (from + 1) % 3;
        let carried = move_it(&cluster, slot, to);
        let before = redirected(&cluster);
        // In the first round nobody has used the lock yet.
        assert_eq!(carried == 0, round == 0, "{carried} keys");
        let holder = holder_lock.acquire(&key(), &options()).await.unwrap();
        assert!(redirected(&cluster) > before, "a node that keeps it no more was asked and said MOVED");
        assert!(last.is_none_or(|last| holder.token() > last), "{:?} after {last:?}", holder.token());
        let waiter = {
            let lock = Arc::clone(&waiter_lock);
            tokio::spawn(async move { lock.acquire(&key(), &options()).await.unwrap() })
        };
        in_line(&holder_lock, 1).await;
        // Under the feet of who holds and who waits.
        assert!(move_it(&cluster, slot, from) > 0);
        holder.verify().await.unwrap();
        let token = holder.token();
        holder.release().await.unwrap();
        let next = waiter.await.unwrap();
        assert!(next.token() > token);
        last = Some(next.token());
        next.release().await.unwrap();
        move_it(&cluster, slot, to);
    }
}

/// Moves a slot with its keys; gives how many there were.
fn move_it(cluster: &RedisCluster, slot: u16, to: usize) -> usize {
    cluster.begin_move(slot, to);
    let carried = cluster.carry(slot, to);
    cluster.end_move(slot, to);
    carried
}

async fn in_line(lock: &Arc<dyn DistributedLock>, waiting: usize) {
    while lock.inspect(&key()).await.unwrap().queue.len() < waiting {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_during_a_move_follows_ask_and_has_the_lock_when_it_is_done() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let lock = client(&cluster).await;
    let slot = cluster.slot_of(&tag(&key()));
    let from = cluster.keeper_of(slot);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, to);
    let asking = {
        let lock = Arc::clone(&lock);
        tokio::spawn(async move { lock.acquire(&key(), &options()).await.unwrap() })
    };
    // The old keeper has none of the keys and sends it on by ASK; the new one runs no script whose keys may be elsewhere.
    // The redis crate alone would have given up before that.
    until(READY_WITHIN, "the new keeper was asked again and again", || asked(&cluster, to) >= 20);
    assert!(count(&cluster, to, "errorstats", "errorstat_TRYAGAIN") > 0);
    assert!(!asking.is_finished(), "nothing is granted by two nodes at once");
    // Other locks do not notice.
    let other = another_slot(&cluster, slot);
    lock.acquire(&other, &options()).await.unwrap().release().await.unwrap();
    cluster.end_move(slot, to);
    let guard = asking.await.unwrap();
    assert!(
        matches!(lock.inspect(&key()).await.unwrap().holder, Holder::Lease { token, .. } if token == guard.token())
    );
    guard.release().await.unwrap();
}

fn another_slot(cluster: &RedisCluster, slot: u16) -> LockKey {
    let keys = (0..).map(|number| LockKey::new(format!("other-{number}")).unwrap());
    keys.into_iter().find(|key| cluster.slot_of(&tag(key)) != slot).unwrap()
}

/// A client that bears nodes that disagree for three seconds.
async fn impatient(cluster: &RedisCluster) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(&cluster.url()).unwrap();
    config.timeout = Duration::from_secs(3);
    Arc::new(RedisLock::open(config).await.unwrap())
}

/// Why it does not have the lock.
async fn refused(lock: &Arc<dyn DistributedLock>) -> String {
    let error = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_does_not_end_is_said() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let lock = impatient(&cluster).await;
    let slot = cluster.slot_of(&tag(&key()));
    let to = (cluster.keeper_of(slot) + 1) % 3;
    cluster.begin_move(slot, to);
    let said = refused(&lock).await;
    assert!(said.contains("redis+cluster://127.0.0.1:") && said.contains("is moving to another node"), "{said}");
    cluster.end_move(slot, to);
    let state = lock.inspect(&key()).await.unwrap();
    assert_eq!((state.holder, state.queue.len()), (Holder::Free, 0), "nothing was claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_send_each_others_callers_in_a_circle_are_said() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let lock = impatient(&cluster).await;
    let slot = cluster.slot_of(&tag(&key()));
    let keeper = cluster.keeper_of(slot);
    let other = (keeper + 1) % 3;
    cluster.lead_in_a_circle(slot, other);
    let said = refused(&lock).await;
    let parts = ["redis+cluster://127.0.0.1:", "in a circle", "Moved: ", "`redis-cli --cluster check`"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    // Bounded: a pause lies between two rounds.
    let redirected = redirected(&cluster);
    assert!((2..5000).contains(&redirected), "{redirected}");
    // Other locks do not notice, and this one goes on when they agree.
    lock.acquire(&another_slot(&cluster, slot), &options()).await.unwrap().release().await.unwrap();
    cluster.end_circle(slot, keeper, other);
    lock.acquire(&key(), &options()).await.unwrap().release().await.unwrap();
}
