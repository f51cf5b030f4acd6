//! What is planted, deleted or forbidden in the folder of the database: refused with its path, healed, or said; never
//! followed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod deleted;
mod disks;
mod interrupted;
mod planted;
mod users;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lock_core::{AcquireOptions, BlockingLock, DistributedLock, Error, LockKey};
use lock_sqlite::{SqliteConfig, SqliteLock};
use tests::{told::told, users::is_root};

/// Every file whose name is known beforehand.
const FILES: [&str; 4] = ["locks.sqlite", "locks.sqlite-wal", "locks.sqlite-shm", "locks.sqlite.batons/opening"];

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn database(folder: &Path) -> PathBuf {
    folder.join("locks.sqlite")
}

fn open(folder: &Path) -> Result<Arc<dyn DistributedLock>, Error> {
    SqliteLock::open(SqliteConfig::new(database(folder))).map(|lock| Arc::new(lock) as Arc<dyn DistributedLock>)
}

fn blocking(folder: &Path) -> BlockingLock {
    BlockingLock::new(open(folder).unwrap())
}

fn within(time: Duration) -> AcquireOptions {
    AcquireOptions::default().timeout(time)
}

fn soon() -> AcquireOptions {
    within(Duration::from_secs(20))
}

fn acquire_once(folder: &Path) -> Result<u64, Error> {
    acquire_within(folder, Duration::from_secs(20))
}

fn acquire_within(folder: &Path, time: Duration) -> Result<u64, Error> {
    let guard = BlockingLock::new(open(folder)?).acquire(&key(), &within(time))?;
    let token = guard.token().0;
    guard.release()?;
    Ok(token)
}

/// The files of a kind: `lease` or `line`.
fn batons(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("locks.sqlite.batons")).unwrap().map(|entry| entry.unwrap().path());
    let names = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(kind) && !name.ends_with(".new")
    };
    entries.filter(names).collect()
}
