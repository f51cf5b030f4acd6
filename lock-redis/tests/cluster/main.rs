//! Locks on a real Cluster of three masters.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod conformance;
mod deaths;
mod moves;

use std::time::Duration;

use lock_core::{AcquireOptions, LockKey};

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(60)).ttl(Duration::from_secs(60))
}

/// What names the slot of a lock.
fn tag(key: &LockKey) -> String {
    format!("{{{}}}", key.file_stem())
}
