//! Grants on a Cluster that count only when a replica of the lock's own master has them.

use std::sync::Arc;

use lock_core::{DistributedLock, DistributedLockExt, Error, Holder};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_cluster::RedisCluster,
    require,
};

use crate::{key, options, tag};

/// The node that is added behind the three masters.
const REPLICA: usize = 3;

async fn client(cluster: &RedisCluster, wait_replicas: u32) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(&cluster.url()).unwrap();
    config.wait_replicas = wait_replicas;
    Arc::new(RedisLock::open(config).await.unwrap())
}

/// The token of the lease as the replica has it.
fn token_there(cluster: &RedisCluster) -> String {
    let socket = cluster.nodes()[REPLICA].server.socket();
    let client = redis::Client::open(format!("unix://{}", socket.display())).unwrap();
    let mut replica = client.get_connection().unwrap();
    redis::cmd("READONLY").query::<()>(&mut replica).unwrap();
    let asked = redis::cmd("HGET").arg(format!("talkstick:{}:lock", tag(&key()))).arg("token").query(&mut replica);
    asked.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_counts_when_a_replica_of_its_master_has_it() {
    require!("redis-server", "redis-cli");
    let mut cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let keeper = cluster.keeper_of(cluster.slot_of(&tag(&key())));
    cluster.add_replica_of(keeper);
    let (careful, plain) = (client(&cluster, 1).await, client(&cluster, 0).await);
    // What comes behind the first copy is sent only when the replica has said, within a second, that it has that one.
    until(READY_WITHIN, "the replica follows", || {
        cluster.nodes()[keeper].server.tell(&["INFO", "replication"]).contains("state=online")
    });
    for _ in 0..20 {
        let guard = careful.acquire(&key(), &options()).await.unwrap();
        // No wait: what counts is there already.
        assert_eq!(token_there(&cluster), guard.token().to_string());
        // The node knows no script any more.
        cluster.nodes()[keeper].server.tell(&["SCRIPT", "FLUSH"]);
        guard.verify().await.unwrap();
        guard.release().await.unwrap();
    }
    cluster.server(REPLICA).process().stop();
    let refused = careful.acquire(&key(), &options()).await.unwrap_err();
    let Error::Store { source, .. } = &refused else { panic!("{refused}") };
    let said = source.to_string();
    assert!(said.starts_with("1 replicas of redis+cluster://") && said.contains("0 had it in time"), "{said}");
    // What did not count is given back. Who waits is granted what counts when the replica is there again.
    let guard = plain.acquire(&key(), &options()).await.unwrap();
    let waits = tokio::spawn(async move { careful.acquire(&key(), &options()).await.unwrap() });
    while plain.inspect(&key()).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let token = guard.token();
    guard.release().await.unwrap();
    while !matches!(plain.inspect(&key()).await.unwrap().holder, Holder::Lease { token: now, .. } if now > token) {
        tokio::task::yield_now().await;
    }
    assert!(!waits.is_finished());
    cluster.server(REPLICA).process().go_on();
    let next = waits.await.unwrap();
    assert!(next.token() > token);
    assert_eq!(token_there(&cluster), next.token().to_string());
}
