//! Servers that cannot serve: replicas, busy ones, full ones.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Holder, LockKey, Owner};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_server::{RedisServer, free_port},
    require,
};

use crate::{refused, says};

async fn open(server: &RedisServer) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(&server.url()).unwrap();
    config.timeout = Duration::from_millis(500);
    Arc::new(RedisLock::open(config).await.unwrap())
}

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_replica() {
    require!("redis-server", "redis-cli");
    let port = free_port().to_string();
    let master = RedisServer::start_with(&["--port", &port]);
    let replica = RedisServer::start();
    let lock = open(&replica).await;
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    // What was a master becomes a replica under the feet of those who hold and ask.
    assert_eq!(replica.tell(&["REPLICAOF", "127.0.0.1", &port]), "OK");
    until(READY_WITHIN, "it is a replica", || replica.tell(&["ROLE"]).starts_with("slave"));
    let refusal = lock.acquire(&LockKey::new("other").unwrap(), &AcquireOptions::default()).await.unwrap_err();
    let advice = &["is a read-only replica", "name the master", "redis.sock"];
    says(&refusal, advice, "asking");
    refused(RedisConfig::parse(&replica.url()).unwrap(), advice).await;
    drop((guard, master));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_somebody_else_keeps_it_busy() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start_with(&["--lua-time-limit", "50"]);
    let lock = open(&server).await;
    let url = server.url().replace("redis+unix://", "unix://");
    let stranger = std::thread::spawn(move || {
        let mut stranger = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut stranger).unwrap_err().to_string()
    });
    let mut busy = None;
    until(READY_WITHIN, "the server is busy", || {
        busy = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(lock.inspect(&key()))).err();
        busy.is_some()
    });
    says(&busy.unwrap(), &["keeps", "busy", "SCRIPT KILL", "redis.sock"], "asking");
    assert_eq!(server.tell(&["SCRIPT", "KILL"]), "OK");
    assert!(stranger.join().unwrap().contains("killed by user"));
    assert_eq!(lock.inspect(&key()).await.unwrap().holder, Holder::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let lock = open(&server).await;
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    assert_eq!(server.tell(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let refusal = lock.acquire(&LockKey::new("other").unwrap(), &AcquireOptions::default()).await.unwrap_err();
    says(&refusal, &["out of memory", "maxmemory", "noeviction"], "asking");
    assert_eq!(server.tell(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    guard.verify().await.unwrap();
}

/// Whatever is in a label or a key comes back as it was, and is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_and_labels_are_carried_as_they_are() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let lock = open(&server).await;
    let names = ["{a}", "a", "}{", "a b\"c\\", "%41", "A", "\u{65e5}\u{1f512}", &"x".repeat(80)];
    let label = format!("{{\"a\"}}\n\u{7}{}", "\u{1f512}".repeat(40));
    let mut guards = Vec::new();
    for name in names {
        let key = LockKey::new(name).unwrap();
        let options = AcquireOptions::default().timeout(Duration::ZERO).label(&label);
        guards.push(lock.acquire(&key, &options).await.unwrap_or_else(|error| panic!("{name}: {error}")));
        let Holder::Lease { owner, .. } = lock.inspect(&key).await.unwrap().holder else { panic!("{name}") };
        assert_eq!(owner, Owner::current(&label), "{name}");
        assert!(owner.label.len() <= lock_core::LABEL_BYTES_MAX && !owner.label.contains(char::is_control));
    }
    for guard in guards {
        guard.release().await.unwrap();
    }
    assert!(LockKey::new("x".repeat(81)).is_err() && LockKey::new("a\nb").is_err());
}
