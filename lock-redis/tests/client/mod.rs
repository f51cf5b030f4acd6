//! A client as the registry opens it, and the lock that it takes.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, LockKey, Registry, StoreConfig};
use lock_redis::RedisLock;

/// One of the store with this URL; so long a server may take to answer.
pub(crate) async fn client_with_timeout(url: &str, timeout: Duration) -> Arc<dyn DistributedLock> {
    let mut registry = Registry::new();
    RedisLock::register(&mut registry, move |mut config| {
        config.timeout = timeout;
        Ok(config)
    });
    registry.open(StoreConfig::new(url, "/")).await.unwrap()
}

pub(crate) fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

pub(crate) fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(25))
}
