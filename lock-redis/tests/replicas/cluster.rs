//! On a Cluster, where the replica must be one of the lock's own master.

use lock_core::DistributedLockExt;
use tests::{
    probe::{READY_WITHIN, until},
    redis_cluster::RedisCluster,
    require,
};

use crate::{client, counts_again_with_its_replica, key, options};

/// The node that is added behind the three masters.
const REPLICA: usize = 3;
/// What names the slot of the lock.
const TAG: &str = "{k}";

/// The token of the lease as the replica has it.
fn token_there(cluster: &RedisCluster) -> String {
    let socket = cluster.nodes()[REPLICA].server.socket();
    let client = redis::Client::open(format!("unix://{}", socket.display())).unwrap();
    let mut replica = client.get_connection().unwrap();
    redis::cmd("READONLY").query::<()>(&mut replica).unwrap();
    let asked = redis::cmd("HGET").arg(format!("talkstick:{TAG}:lock")).arg("token").query(&mut replica);
    asked.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_counts_when_a_replica_of_its_master_has_it() {
    require!("redis-server", "redis-cli");
    let mut cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let keeper = cluster.keeper_of(cluster.slot_of(TAG));
    cluster.add_replica_of(keeper);
    let careful = client(&cluster.url(), 1).await;
    let plain = client(&cluster.url(), 0).await;
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
    // The node waits twice then, and is not taken for silent.
    cluster.nodes()[keeper].server.tell(&["SCRIPT", "FLUSH"]);
    let next = counts_again_with_its_replica(careful, &plain, cluster.server(REPLICA).process()).await;
    assert_eq!(token_there(&cluster), next.token().to_string());
}
