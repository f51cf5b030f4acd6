//! The contract is kept on a master that has taken over from another one.

use std::sync::{Arc, LazyLock};

use lock_core::{
    DistributedLock,
    conformance::{Harness, opened},
};
use lock_redis::{RedisConfig, RedisLock};
use tests::{redis_failover::RedisFailover, redis_part::RedisPart};

use crate::site::TIMEOUT;

/// One failover for all cases, as it takes a second or two. Its servers end with this process.
static SITE: LazyLock<RedisFailover> = LazyLock::new(|| {
    let mut site = RedisFailover::start();
    site.fail_over();
    site
});

/// A part of the store that no other case uses: a user with a prefix of its own.
struct FailedOver(RedisPart);

impl Harness for FailedOver {
    /// A server proves nobody's death.
    const SKIPPED: usize = 5;

    fn fresh() -> Self {
        Self(RedisPart::fresh::<1>(|what| vec![SITE.replica.tell(what)]))
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.url(&SITE.url()))
    }

    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let mut config = RedisConfig::parse(address).unwrap();
        config.timeout = TIMEOUT;
        Arc::new(opened(RedisLock::open(config)))
    }

    fn lose_data(&self) -> bool {
        self.0.lose_data::<1>(|what| vec![SITE.replica.tell(what)]);
        true
    }

    fn cut(&self) -> bool {
        self.0.cut::<1>(|what| vec![SITE.replica.tell(what)]);
        true
    }
}

lock_core::conformance!(FailedOver);
