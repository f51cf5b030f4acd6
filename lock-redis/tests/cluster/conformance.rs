//! The contract is kept on a Cluster, whichever of its masters keeps a key.

use std::sync::{Arc, LazyLock};

use lock_core::{
    DistributedLock, Registry, StoreConfig,
    conformance::{Harness, opened},
};
use lock_redis::RedisLock;
use tests::{redis_cluster::RedisCluster, redis_part::RedisPart};

/// One for all cases, as it takes a few seconds. Its servers end with this process.
static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(|| RedisCluster::start(3, &["--cluster-node-timeout", "30000"]));

/// A part of the store that no other case uses: a user with a prefix of its own.
struct Masters(RedisPart);

/// An order to each of the masters.
fn tell_all(words: &[&str]) -> Vec<String> {
    CLUSTER.nodes().iter().map(|node| node.server.tell(words)).collect()
}

impl Harness for Masters {
    /// A server proves nobody's death.
    const SKIPPED: usize = 5;

    fn fresh() -> Self {
        Self(RedisPart::fresh::<3>(tell_all))
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.url(&CLUSTER.url()))
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
        self.0.lose_data::<3>(tell_all);
        true
    }

    fn cut(&self) -> bool {
        self.0.cut::<3>(tell_all);
        true
    }
}

lock_core::conformance!(Masters);
