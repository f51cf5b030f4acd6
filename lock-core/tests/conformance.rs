//! The thread backend keeps the contract.

use std::sync::Arc;

use lock_core::{DistributedLock, ThreadLock, conformance::Harness};

struct Threads(Arc<ThreadLock>);

impl Harness for Threads {
    /// Other processes, their deaths, and data to lose: a lock inside one process has none of them.
    const SKIPPED: usize = 13;

    fn fresh() -> Self {
        Self(Arc::new(ThreadLock::new()))
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Arc::clone(&self.0) as Arc<dyn DistributedLock>
    }

    fn address(&self) -> Option<String> {
        None
    }

    fn open(address: &str) -> Arc<dyn DistributedLock> {
        unreachable!("no other process opens {address}")
    }

    fn lose_data(&self) -> bool {
        false
    }

    fn cut(&self) -> bool {
        false
    }
}

lock_core::conformance!(Threads);
