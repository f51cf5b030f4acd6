//! The Redis backend keeps the contract, on a real server.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::{Arc, Mutex};

use lock_core::{
    DistributedLock,
    conformance::{Harness, opened},
};
use lock_redis::{RedisConfig, RedisLock};
use tests::redis_server::RedisServer;

struct Server(Mutex<RedisServer>);

impl Harness for Server {
    /// A server proves nobody's death.
    const SKIPPED: usize = 5;

    fn fresh() -> Self {
        Self(Mutex::new(RedisServer::start()))
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.lock().unwrap().url())
    }

    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let config = RedisConfig::parse(address).unwrap();
        Arc::new(opened(RedisLock::open(config)))
    }

    fn lose_data(&self) -> bool {
        assert_eq!(self.0.lock().unwrap().tell(&["FLUSHALL"]), "OK");
        true
    }

    fn cut(&self) -> bool {
        self.0.lock().unwrap().kill();
        true
    }
}

lock_core::conformance!(Server);
