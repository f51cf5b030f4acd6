//! The contract is kept on a master that has taken over from another one.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use lock_core::{DistributedLock, background, conformance::Harness};
use lock_redis::{RedisConfig, RedisLock};
use tests::redis_failover::RedisFailover;

/// One failover for all cases, as it takes a second or two. Its servers end with this process.
static SITE: LazyLock<RedisFailover> = LazyLock::new(|| {
    let mut site = RedisFailover::start();
    site.fail_over();
    site
});

/// A part of the store that no other case uses: a user with a prefix of its own.
struct FailedOver(String);

impl Harness for FailedOver {
    /// A server proves nobody's death.
    const SKIPPED: usize = 5;

    fn fresh() -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
        let (keys, channels) = (format!("~{name}:*"), format!("&{name}:*"));
        assert_eq!(
            SITE.replica.tell(&["ACL", "SETUSER", &name, "on", ">word", &keys, "resetchannels", &channels, "+@all"]),
            "OK"
        );
        Self(name)
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        let Self(name) = self;
        let url = SITE.url().replacen("://", &format!("://{name}:word@"), 1);
        Some(format!("{url}?prefix={name}:"))
    }

    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let config = RedisConfig::parse(address).unwrap();
        // On a thread of its own: cases ask for clients from within a runtime.
        let opening = std::thread::spawn(move || background::handle().unwrap().block_on(RedisLock::open(config)));
        Arc::new(opening.join().unwrap().unwrap())
    }

    fn lose_data(&self) -> bool {
        let delete = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 'done'";
        assert_eq!(SITE.replica.tell(&["EVAL", delete, "0", &format!("{}:*", self.0)]), "done");
        true
    }

    fn cut(&self) -> bool {
        // The server is there for the other cases.
        assert_eq!(SITE.replica.tell(&["ACL", "SETUSER", &self.0, "off"]), "OK");
        SITE.replica.tell(&["CLIENT", "KILL", "USER", &self.0]);
        true
    }
}

lock_core::conformance!(FailedOver);
