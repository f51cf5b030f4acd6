//! A check of a lease that is under way while the lease is released must not touch the next holder's.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lock_core::{
    DistributedLock, Entered, FencingToken, Lease, LockKey, Owner, Priority, Request, RequestId, SecretHash,
};
use lock_file::{FileConfig, FileLock};
use tokio::runtime::{Builder, Runtime};

/// Handovers; the check must meet the few microseconds of a release.
const ROUNDS: u128 = 2_000;

/// Leases of files do not expire.
const TTL: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn open(folder: &Path) -> FileLock {
    FileLock::open(FileConfig::new(folder)).unwrap()
}

/// The lease, which is free.
fn enter(runtime: &Runtime, lock: &FileLock, id: u128) -> Lease {
    let request = Request {
        id: RequestId(id),
        owner: Owner::current(""),
        priority: Priority::Normal,
        ttl: TTL,
        floor: FencingToken(0),
        secret_hash: SecretHash([0; 32]),
        number: None,
    };
    match runtime.block_on(lock.enter(&LockKey::new("k").unwrap(), &request)).unwrap() {
        Entered::Granted(lease) => lease,
        Entered::Queued(..) => panic!("{id} was not granted a free lock"),
    }
}

#[test]
fn the_next_holder_keeps_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, runtime) = (open(folder.path()), open(folder.path()), runtime());
    for round in 0..ROUNDS {
        let lease = enter(&runtime, &first, 2 * round + 1);
        let over = AtomicBool::new(false);
        let (checks, checked) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut checks = Some(checks);
                while !over.load(Ordering::Acquire) && runtime.block_on(first.renew(&lease, TTL)).is_ok() {
                    checks.take().map_or(Ok(()), |checks| checks.send(())).unwrap();
                }
            });
            checked.recv().unwrap();
            runtime.block_on(first.release(&lease)).unwrap();
            let next = enter(&runtime, &second, 2 * round + 2);
            over.store(true, Ordering::Release);
            // Several, for the check of the first holder may still be at it.
            for _ in 0..3 {
                runtime.block_on(second.renew(&next, TTL)).unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
            runtime.block_on(second.release(&next)).unwrap();
        });
    }
}
