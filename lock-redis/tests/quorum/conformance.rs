//! The contract is kept by a majority of three servers.

use std::sync::{Arc, LazyLock};

use lock_core::{
    DistributedLock, Registry, StoreConfig,
    conformance::{Harness, opened},
};
use lock_redis::RedisLock;
use tests::{redis_part::RedisPart, redis_quorum::RedisQuorum};

/// One for all cases. Its servers end with this process.
static QUORUM: LazyLock<RedisQuorum> = LazyLock::new(|| RedisQuorum::start(3, &[]));

/// A part of the store that no other case uses: a user with a prefix of its own.
struct Majority(RedisPart);

impl Harness for Majority {
    /// Servers prove nobody's death (5), and a line of its own on each of them is no order (9).
    const SKIPPED: usize = 14;

    fn fresh() -> Self {
        Self(RedisPart::fresh::<3>(|what| QUORUM.tell(0..3, what)))
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.url(&QUORUM.url()))
    }

    /// Through the registry, as the command line does.
    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let config = StoreConfig::new(address, "/");
        opened(async move {
            let mut registry = Registry::new();
            RedisLock::register(&mut registry, Ok);
            registry.open(config).await
        })
    }

    fn lose_data(&self) -> bool {
        self.0.lose_data::<3>(|what| QUORUM.tell(0..3, what));
        true
    }

    /// Two of the three are gone; one is no answer.
    fn cut(&self) -> bool {
        self.0.cut::<2>(|what| QUORUM.tell(0..2, what));
        true
    }
}

lock_core::conformance!(Majority);
