//! A quorum: users, rights and TLS on all of its servers, and what is none.

use std::sync::Arc;

use lock_redis::{Password, QuorumLock, RedisConfig};
use tests::{redis_cluster::RedisCluster, redis_quorum::RedisQuorum, require, require_tls};

use crate::{
    rights::{documented, from_entering_to_breaking},
    said, says,
    tls::Papers,
};

/// A user of these rights and no others on some of the servers.
fn add_user(quorum: &RedisQuorum, servers: std::ops::Range<usize>, rights: &[String]) {
    let rights = rights.iter().map(String::as_str);
    let command: Vec<&str> = ["ACL", "SETUSER", "talkstick", "on", ">secret-word"].into_iter().chain(rights).collect();
    assert!(quorum.tell(servers, &command).iter().all(|said| said == "OK"));
}

fn as_user(quorum: &RedisQuorum) -> RedisConfig {
    let mut config = RedisConfig::parse(&quorum.url()).unwrap();
    (config.user, config.password) = (Some("talkstick".to_owned()), Some(Password::new("secret-word")));
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_rights_on_a_quorum_and_what_is_none() {
    require!("redis-server", "redis-cli");
    let quorum = RedisQuorum::start_old(3, &[]);
    let config = as_user(&quorum);
    // A password that two of three do not take.
    add_user(&quorum, 0..1, &documented());
    let refusal = QuorumLock::open(config.clone()).await.unwrap_err();
    let places = [1, 2].map(|at| format!("redis://127.0.0.1:{}/0 refuses user `talkstick`", quorum.port(at)));
    says(&refusal, &["2 of the 3 servers of redis+quorum://", &places[0], &places[1], "`redis.password_file`"], "two");
    // One may be out of order; doctor says so.
    add_user(&quorum, 1..2, &documented());
    let lock = QuorumLock::open(config.clone()).await.unwrap();
    from_entering_to_breaking(Arc::new(lock)).await;
    let lock = QuorumLock::open(config.clone()).await.unwrap();
    let keys: Vec<String> = lock.known_keys().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["a {key}"]);
    // A right that two of three do not give is named.
    add_user(&quorum, 2..3, &documented());
    add_user(&quorum, 1..3, &["-hset".to_owned()]);
    let key = lock_core::LockKey::new("k").unwrap();
    let lock: Arc<dyn lock_core::DistributedLock> = Arc::new(lock);
    let options = lock_core::AcquireOptions::default();
    let refusal = lock_core::DistributedLockExt::acquire(&lock, &key, &options).await.unwrap_err();
    says(&refusal, &["does not let user `talkstick`", "+hset", &format!("127.0.0.1:{}", quorum.port(1))], "rights");
    // Nodes of a Cluster know of each other.
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let nodes: Vec<String> = cluster.nodes().iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let nodes = RedisConfig::parse(&format!("redis+quorum://{}", nodes.join(","))).unwrap();
    says(&QuorumLock::open(nodes).await.unwrap_err(), &["is a node of a Cluster", "use redis+cluster://"], "nodes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_that_speaks_tls() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let papers = Papers::issue();
    let files = papers.options();
    let options: Vec<&str> = ["--tls-auth-clients", "no"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let quorum = RedisQuorum::start_old(3, &options);
    add_user(&quorum, 0..3, &documented());
    let untrusting = as_user(&quorum);
    let mut trusting = untrusting.clone();
    trusting.tls.ca = Some(papers.file("ca.crt"));
    from_entering_to_breaking(Arc::new(QuorumLock::open(trusting).await.unwrap())).await;
    let text = said(&QuorumLock::open(untrusting).await.unwrap_err());
    assert_eq!(text.matches("is not trusted").count(), 3, "{text}");
    assert!(text.contains("rediss+quorum://127.0.0.1:") && text.contains("`redis.ca_file`"), "{text}");
}
