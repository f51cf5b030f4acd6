//! The contract is kept by a majority of three servers.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use lock_core::{DistributedLock, Registry, StoreConfig, background, conformance::Harness};
use lock_redis::RedisLock;
use tests::redis_quorum::RedisQuorum;

/// One for all cases. Its servers end with this process.
static QUORUM: LazyLock<RedisQuorum> = LazyLock::new(|| RedisQuorum::start(3, &[]));

/// A part of the store that no other case uses: a user with a prefix of its own.
struct Majority(String);

impl Harness for Majority {
    /// Servers prove nobody's death (5), and a line of its own on each of them is no order (9).
    const SKIPPED: usize = 14;

    fn fresh() -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
        let (keys, channels) = (format!("~{name}:*"), format!("&{name}:*"));
        assert_eq!(
            QUORUM.tell(0..3, &["ACL", "SETUSER", &name, "on", ">word", &keys, "resetchannels", &channels, "+@all"]),
            ["OK"; 3]
        );
        Self(name)
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        let Self(name) = self;
        let url = QUORUM.url().replacen("://", &format!("://{name}:word@"), 1);
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
        assert_eq!(QUORUM.tell(0..3, &["EVAL", delete, "0", &format!("{}:*", self.0)]), ["done"; 3]);
        true
    }

    /// Two of the three are gone; one is no answer.
    fn cut(&self) -> bool {
        // The servers are there for the other cases.
        assert_eq!(QUORUM.tell(0..2, &["ACL", "SETUSER", &self.0, "off"]), ["OK"; 2]);
        QUORUM.tell(0..2, &["CLIENT", "KILL", "USER", &self.0]);
        true
    }
}

lock_core::conformance!(Majority);
