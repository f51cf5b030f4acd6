//! Masters that die: without a replica, with one, and under those who only listen there.

use std::sync::Arc;

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Error, Guard, Holder, LockKey};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_cluster::RedisCluster,
    require,
};
use tokio::task::JoinHandle;

use crate::{options, tag};

async fn client(cluster: &RedisCluster) -> Arc<dyn DistributedLock> {
    Arc::new(RedisLock::open(RedisConfig::parse(&cluster.url()).unwrap()).await.unwrap())
}

/// What a question to the lock fails with, if it does.
async fn refusal(lock: &Arc<dyn DistributedLock>, key: &LockKey) -> Option<String> {
    match lock.acquire(key, &AcquireOptions::default()).await {
        Ok(guard) => {
            guard.release().await.unwrap();
            None
        }
        Err(error @ Error::Store { .. }) => Some(std::error::Error::source(&error).unwrap().to_string()),
        Err(error) => panic!("not said to be the store's: {error}"),
    }
}

/// A task of `waiting` that stands in the line of `key`, as `lock` sees.
async fn in_line(
    waiting: Arc<dyn DistributedLock>,
    lock: &Arc<dyn DistributedLock>,
    key: &LockKey,
) -> JoinHandle<Guard> {
    let waiter = tokio::spawn({
        let key = key.clone();
        async move { waiting.acquire(&key, &options()).await.unwrap() }
    });
    while lock.inspect(key).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    waiter
}

/// A key whose slot this master keeps.
fn key_of(cluster: &RedisCluster, master: usize) -> LockKey {
    let mut keys = (0..).map(|number| LockKey::new(format!("of-{master}-{number}")).unwrap());
    keys.find(|key| cluster.keeper_of(cluster.slot_of(&tag(key))) == master).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_the_cluster_is_down_and_nothing_is_claimed() {
    require!("redis-server", "redis-cli");
    // `always`: by default a write waits for the disk's last one, and a kill would lose the release before it.
    let keeps = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut cluster = RedisCluster::start(3, &[&["--cluster-node-timeout", "2000"], &keeps[..]].concat());
    let lock = client(&cluster).await;
    let (dead, alive) = (key_of(&cluster, 0), key_of(&cluster, 1));
    assert_eq!((refusal(&lock, &dead).await, refusal(&lock, &alive).await), (None, None));
    cluster.server(0).kill();
    // At first it is only away.
    let said = refusal(&lock, &dead).await.unwrap();
    assert!(said.contains("redis+cluster://127.0.0.1:"), "{said}");
    assert!(said.contains("cannot be reached; start it") || said.contains("is down"), "{said}");
    // Then the others notice, and answer nobody, as is their default.
    let is_down = async { while lock.inspect(&alive).await.is_ok() {} };
    tokio::time::timeout(READY_WITHIN, is_down).await.expect("the others notice");
    let said = refusal(&lock, &alive).await.unwrap();
    assert!(said.contains("the Cluster of redis+cluster://127.0.0.1:") && said.contains("is down"), "{said}");
    assert!(said.contains("start the masters that are away"), "{said}");
    // Who comes now is told the same.
    let said = refusal(&client(&cluster).await, &alive).await.unwrap();
    assert!(said.contains("start the masters that are away"), "{said}");
    cluster.server(0).start_again();
    cluster.until_ok();
    for key in [dead, alive] {
        let state = lock.inspect(&key).await.unwrap();
        assert_eq!((state.holder, state.queue.len()), (Holder::Free, 0), "nothing was claimed");
        assert_eq!(refusal(&lock, &key).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_and_holder_and_line_go_on() {
    require!("redis-server", "redis-cli");
    let mut cluster = RedisCluster::start(3, &["--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"]);
    let of_dead = key_of(&cluster, 0);
    let replica = cluster.nodes().len();
    cluster.add_replica_of(0);
    let (lock, other) = (client(&cluster).await, client(&cluster).await);
    let holder = lock.acquire(&of_dead, &options()).await.unwrap();
    let waiter = in_line(other, &lock, &of_dead).await;
    until(READY_WITHIN, "the replica has it all", || is_replicated(&cluster));
    cluster.server(0).kill();
    loop {
        match holder.verify().await {
            Ok(()) => break,
            Err(Error::Lost { reason, .. }) => panic!("lost: {reason}"),
            Err(_unknown) => tokio::task::yield_now().await,
        }
    }
    assert!(cluster.nodes()[replica].server.tell(&["ROLE"]).starts_with("master"));
    let token = holder.token();
    holder.release().await.unwrap();
    let next = waiter.await.unwrap();
    assert!(next.token() > token);
    next.release().await.unwrap();
}

/// Whether the replica of the first master has all that was written there.
fn is_replicated(cluster: &RedisCluster) -> bool {
    let url = cluster.nodes()[0].server.url().replace("redis+", "");
    let mut operator = redis::Client::open(url).unwrap().get_connection().unwrap();
    // Any write in a slot of this master makes the WAIT one for all that came before.
    let name = tag(&key_of(cluster, 0));
    redis::cmd("SET").arg(format!("{name}ready")).arg(1).query::<()>(&mut operator).unwrap();
    redis::cmd("WAIT").arg(1).arg(2000).query::<i64>(&mut operator).unwrap() == 1
}

/// The channels that somebody listens to on a node.
fn channels(cluster: &RedisCluster, node: usize) -> String {
    cluster.nodes()[node].server.ask(&["PUBSUB", "CHANNELS"]).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_does_not_hold_up_the_locks_of_others() {
    require!("redis-server", "redis-cli");
    let mut cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let (hung, fine) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let lock = client(&cluster).await;
    assert_eq!(refusal(&lock, &hung).await, None);
    let holder = lock.acquire(&fine, &options()).await.unwrap();
    cluster.server(0).process().stop();
    let (said, verified) = tokio::join!(refusal(&lock, &hung), holder.verify());
    verified.unwrap();
    let said = said.unwrap();
    assert!(said.contains("did not answer within") || said.contains("cannot be reached"), "{said}");
    // Over the connections that were made since.
    holder.verify().await.unwrap();
    // Who comes now, too.
    let state = client(&cluster).await.inspect(&fine).await.unwrap();
    assert!(matches!(state.holder, Holder::Lease { .. }), "{state:?}");
    cluster.server(0).process().go_on();
    holder.release().await.unwrap();
    assert_eq!(refusal(&lock, &hung).await, None, "nothing was claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_hears_on_another_node_when_the_one_where_it_heard_dies() {
    require!("redis-server", "redis-cli");
    // The others go on without it.
    let options_of_nodes = ["--cluster-require-full-coverage", "no", "--cluster-node-timeout", "30000"];
    let mut cluster = RedisCluster::start(3, &options_of_nodes);
    let waiting = client(&cluster).await;
    let died = (0..3).find(|at| !channels(&cluster, *at).is_empty()).unwrap();
    let channel = channels(&cluster, died);
    let kept = key_of(&cluster, (died + 1) % 3);
    let lock = client(&cluster).await;
    let holder = lock.acquire(&kept, &options()).await.unwrap();
    let waiter = in_line(waiting, &lock, &kept).await;
    cluster.server(died).kill();
    until(READY_WITHIN, "it hears on another node", || {
        (0..3).filter(|at| *at != died).any(|at| channels(&cluster, at).lines().any(|line| line == channel))
    });
    holder.release().await.unwrap();
    waiter.await.unwrap().release().await.unwrap();
}
