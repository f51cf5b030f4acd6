//! The blocking facade, for callers without tokio.

use std::sync::Arc;

use crate::{AcquireOptions, DistributedLock, DistributedLockExt, Error, Guard, KeyState, LockKey, background};

/// A lock for threads. Not for async code: its methods block the thread that calls them.
#[derive(Debug, Clone)]
pub struct BlockingLock {
    lock: Arc<dyn DistributedLock>,
}

impl BlockingLock {
    /// Wraps a backend.
    #[must_use]
    pub fn new(lock: Arc<dyn DistributedLock>) -> Self {
        Self { lock }
    }

    /// As [`DistributedLockExt::acquire`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When called from async code.
    pub fn acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<BlockingGuard, Error> {
        let guard = background::handle()?.block_on(self.lock.acquire(key, options))?;
        Ok(BlockingGuard { guard })
    }

    /// As [`DistributedLockExt::try_acquire`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When called from async code.
    pub fn try_acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<Option<BlockingGuard>, Error> {
        let guard = background::handle()?.block_on(self.lock.try_acquire(key, options))?;
        Ok(guard.map(|guard| BlockingGuard { guard }))
    }

    /// As [`DistributedLock::inspect`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When called from async code.
    pub fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        background::handle()?.block_on(self.lock.inspect(key))
    }
}

/// A [`Guard`] whose release blocks. Dropping it releases too.
#[derive(Debug)]
#[must_use = "dropping the guard releases the lock"]
pub struct BlockingGuard {
    guard: Guard,
}

impl BlockingGuard {
    /// Releases the lock and says whether that went well.
    ///
    /// # Errors
    /// As [`Guard::release`].
    ///
    /// # Panics
    /// When called from async code.
    pub fn release(self) -> Result<(), Error> {
        background::handle()?.block_on(self.guard.release())
    }
}

impl std::ops::Deref for BlockingGuard {
    type Target = Guard;
    fn deref(&self) -> &Guard {
        &self.guard
    }
}
