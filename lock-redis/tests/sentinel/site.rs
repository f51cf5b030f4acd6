//! Clients of a master that a Sentinel names.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLock, Error, Guard, Registry, StoreConfig};
use lock_redis::RedisLock;
use tests::redis_failover::RedisFailover;

/// The timeout of clients: a Sentinel gets a quarter of it to answer, and here is no second one to ask.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// One by the registry, as the command line does it.
pub(crate) async fn client(site: &RedisFailover) -> Arc<dyn DistributedLock> {
    let mut registry = Registry::new();
    RedisLock::register(&mut registry, |mut config| {
        config.timeout = TIMEOUT;
        Ok(config)
    });
    registry.open(StoreConfig::new(site.url(), "/")).await.unwrap()
}

/// What the store says of a lease, once it can be asked: that it cannot be for a while is no loss.
pub(crate) async fn verified(guard: &Guard) -> Result<(), Error> {
    loop {
        match guard.verify().await {
            Ok(()) => return Ok(()),
            Err(lost @ Error::Lost { .. }) => return Err(lost),
            Err(_unknown) => tokio::task::yield_now().await,
        }
    }
}
