//! The contract is kept on a Cluster, whichever of its masters keeps a key.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use lock_core::{DistributedLock, Registry, StoreConfig, background, conformance::Harness};
use lock_redis::RedisLock;
use tests::redis_cluster::RedisCluster;

/// One for all cases, as it takes a few seconds. Its servers end with this process.
static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(|| RedisCluster::start(3, &["--cluster-node-timeout", "30000"]));

/// A part of the store that no other case uses: a user with a prefix of its own.
struct Masters(String);

/// An order to each of the masters.
fn tell_all(words: &[&str]) -> Vec<String> {
    CLUSTER.nodes().iter().map(|node| node.server.tell(words)).collect()
}

impl Harness for Masters {
    /// A server proves nobody's death.
    const SKIPPED: usize = 5;

    fn fresh() -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
        let (keys, channels) = (format!("~{name}:*"), format!("&{name}:*"));
        assert_eq!(
            tell_all(&["ACL", "SETUSER", &name, "on", ">word", &keys, "resetchannels", &channels, "+@all"]),
            ["OK"; 3]
        );
        Self(name)
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        let Self(name) = self;
        let url = CLUSTER.url().replacen("://", &format!("://{name}:word@"), 1);
        Some(format!("{url}?prefix={name}:"))
    }

    /// Through the registry, as the command line does.
    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let config = StoreConfig::new(address, "/");
        // On a thread of its own: cases ask for clients from within a runtime.
        let opening = std::thread::spawn(move || {
            let mut registry = Registry::new();
            RedisLock::register(&mut registry, Ok);
            background::handle().unwrap().block_on(registry.open(config))
        });
        opening.join().unwrap().unwrap()
    }

    fn lose_data(&self) -> bool {
        let delete = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 'done'";
        assert_eq!(tell_all(&["EVAL", delete, "0", &format!("{}:*", self.0)]), ["done"; 3]);
        true
    }

    fn cut(&self) -> bool {
        // The servers are there for the other cases.
        assert_eq!(tell_all(&["ACL", "SETUSER", &self.0, "off"]), ["OK"; 3]);
        tell_all(&["CLIENT", "KILL", "USER", &self.0]);
        true
    }
}

lock_core::conformance!(Masters);
