//! One more than may wait in line, on each backend.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Error, LockKey, Registry, StoreConfig};
use tests::{redis_quorum::RedisQuorum, redis_server::RedisServer, require};

/// So few that a test can have them all wait.
const QUEUE_MAX: usize = 3;

async fn open(url: &str, root: &std::path::Path) -> Arc<dyn DistributedLock> {
    let mut registry = Registry::new();
    lock_file::FileLock::register(&mut registry);
    lock_sqlite::SqliteLock::register(&mut registry);
    lock_redis::RedisLock::register(&mut registry, Ok);
    let config = StoreConfig::new(url, root);
    assert_eq!(config.queue_max, 10_000, "unless told otherwise");
    registry.open(StoreConfig { queue_max: QUEUE_MAX, ..config }).await.expect("a store")
}

/// Who comes when the line is full is refused at once and leaves nothing; those in line get their turns all the same.
async fn refuses_one_more(lock: Arc<dyn DistributedLock>) {
    let key = LockKey::new("k").expect("a key");
    let options = AcquireOptions::default().timeout(Duration::from_secs(60));
    let holder = lock.acquire(&key, &options).await.expect("a free lock");
    let waiting: Vec<_> = (0..QUEUE_MAX)
        .map(|_| {
            let (lock, key, options) = (Arc::clone(&lock), key.clone(), options.clone());
            tokio::spawn(async move { lock.acquire(&key, &options).await?.release().await })
        })
        .collect();
    while lock.inspect(&key).await.expect("the line").queue.len() < QUEUE_MAX {
        tokio::task::yield_now().await;
    }
    let refusal = lock.acquire(&key, &options).await.expect_err("a full line");
    let Error::QueueFull { key: of, waiting: seen, max } = &refusal else { panic!("{lock}: {refusal:?}") };
    assert_eq!((of, *seen, *max), (&key, QUEUE_MAX, QUEUE_MAX), "{lock}");
    assert_eq!(lock.inspect(&key).await.expect("the line").queue.len(), QUEUE_MAX, "{lock}");
    holder.release().await.expect("a release");
    for waiter in waiting {
        waiter.await.expect("a task").unwrap_or_else(|error| panic!("{lock}: {error}"));
    }
    lock.acquire(&key, &options).await.expect("a free lock").release().await.expect("a release");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_files_and_of_a_database() {
    for url in ["file", "sqlite"] {
        let root = tempfile::tempdir().expect("a folder");
        refuses_one_more(open(url, root.path()).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_redis_server_and_of_a_quorum() {
    require!("redis-server", "redis-cli");
    let (server, quorum) = (RedisServer::start(), RedisQuorum::start_old(3, &[]));
    let root = tempfile::tempdir().expect("a folder");
    for url in [server.url(), quorum.url()] {
        refuses_one_more(open(&url, root.path()).await).await;
    }
}
