//! Grants that count only when a replica has them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod cluster;
mod pair;

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Error, Guard, Holder, LockKey};
use lock_redis::{RedisConfig, RedisLock};
use tests::process::Process;

/// How long a server may take to answer. Replicas are waited for half as long: one that is there has all that time to say that it
/// has a write, and one that is not is missed after it.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// A client whose grants count when so many replicas have them.
async fn client(url: &str, wait_replicas: u32) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(url).unwrap();
    (config.timeout, config.wait_replicas) = (ANSWER_WITHIN, wait_replicas);
    Arc::new(RedisLock::open(config).await.unwrap())
}

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(60))
}

/// Without its replica a grant does not count and is given back; who waits is granted what counts when the replica is there
/// again.
async fn counts_again_with_its_replica(
    careful: Arc<dyn DistributedLock>,
    plain: &Arc<dyn DistributedLock>,
    replica: &Process,
) -> Guard {
    replica.stop();
    // So long a lease would not end by itself meanwhile.
    let long = options().ttl(Duration::from_secs(3600));
    let refused = careful.acquire(&key(), &long).await.unwrap_err();
    let Error::Store { source, .. } = &refused else { panic!("{refused}") };
    let said = source.to_string();
    assert!(said.starts_with(&format!("1 replicas of {careful}")) && said.contains("0 had it in time"), "{said}");
    assert!(said.contains("`redis.wait_replicas`"), "{said}");
    // What did not count is given back, and others do not wait for its end.
    let guard = plain.acquire(&key(), &options()).await.unwrap();
    let waits = tokio::spawn(async move { careful.acquire(&key(), &options()).await.unwrap() });
    while plain.inspect(&key()).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let token = guard.token();
    guard.release().await.unwrap();
    // Offered and taken up, but it does not count before the replica is back.
    while !matches!(plain.inspect(&key()).await.unwrap().holder, Holder::Lease { token: now, .. } if now > token) {
        tokio::task::yield_now().await;
    }
    assert!(!waits.is_finished());
    replica.go_on();
    let next = waits.await.unwrap();
    assert!(next.token() > token);
    next
}
