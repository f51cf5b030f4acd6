//! What is planted, damaged or forbidden in the lock folder: refused with its path, healed, or said; never followed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod deleted;
mod disks;
mod planted;
mod users;

use std::{path::Path, sync::Arc, time::Duration};

use lock_core::{AcquireOptions, BlockingLock, DistributedLock, Error, LockKey};
use lock_file::{FileConfig, FileLock};
use tests::{told::told, users::is_root};

/// Every file of the key `k`, relative to the folder of the locks.
const FILES: [&str; 5] =
    ["k.lock", ".talkstick/k/mutex", ".talkstick/k/line", ".talkstick/k/holder", ".talkstick/k/baton"];

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn open(dir: &Path) -> Result<Arc<dyn DistributedLock>, Error> {
    FileLock::open(FileConfig::new(dir)).map(|lock| Arc::new(lock) as Arc<dyn DistributedLock>)
}

fn within(time: Duration) -> AcquireOptions {
    AcquireOptions::default().timeout(time)
}

fn acquire_once(dir: &Path) -> Result<u64, Error> {
    acquire_within(dir, Duration::from_secs(5))
}

fn acquire_within(dir: &Path, time: Duration) -> Result<u64, Error> {
    let guard = BlockingLock::new(open(dir)?).acquire(&key(), &within(time))?;
    let token = guard.token().0;
    guard.release()?;
    Ok(token)
}
