//! Who looks at the line from beside the server.

use std::sync::Arc;

use lock_core::{DistributedLock, KeyState, LockKey};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until_some},
    redis_server::RedisServer,
};

/// What an operator beside the server sees.
pub(crate) struct Operator {
    runtime: tokio::runtime::Runtime,
    lock: Arc<dyn DistributedLock>,
}

impl Operator {
    pub(crate) fn at(server: &RedisServer) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lock = runtime.block_on(RedisLock::open(RedisConfig::parse(&server.url()).unwrap())).unwrap();
        Self { runtime, lock: Arc::new(lock) }
    }

    pub(crate) fn state(&self) -> KeyState {
        self.runtime.block_on(self.lock.inspect(&LockKey::new("k").unwrap())).unwrap()
    }

    /// Waits until so many processes of one host stand in line.
    pub(crate) fn until_in_line(&self, count: usize, pids: &[u32]) {
        until_some(READY_WITHIN, "they are in line", || {
            let state = self.state();
            let there = state.queue.iter().filter(|waiter| pids.contains(&waiter.owner.pid)).count();
            (there >= count).then_some(())
        });
    }
}
