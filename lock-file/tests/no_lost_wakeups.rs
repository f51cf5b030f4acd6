//! Every handover is by event: with the sweep out of reach, nothing may get stuck, whatever is cancelled or jumps ahead.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Error, LockKey, Priority, Sweep};
use lock_file::{FileConfig, FileLock};

/// A client whose waiters never look for themselves.
fn open(dir: &Path) -> Arc<dyn DistributedLock> {
    let mut config = FileConfig::new(dir);
    config.sweep = Sweep::out_of_reach();
    Arc::new(FileLock::open(config).unwrap())
}

/// Numbers from a fixed sequence: the same run each time, as far as the scheduler allows.
struct Numbers(AtomicU64);

impl Numbers {
    fn below(&self, bound: u64) -> u64 {
        let next = |n: u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap();
        (before >> 33) % bound
    }
}

async fn crowd(clients: usize, tasks: usize, turns: usize, impatient: bool) {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..clients).map(|_| open(folder.path())).collect();
    let key = LockKey::new("crowd").unwrap();
    let (inside, granted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let numbers = Arc::new(Numbers(AtomicU64::new(42)));
    let mut running = Vec::new();
    for task in 0..tasks {
        let client = Arc::clone(&clients[task % clients.len()]);
        let (key, inside, granted, numbers) =
            (key.clone(), Arc::clone(&inside), Arc::clone(&granted), Arc::clone(&numbers));
        running.push(tokio::spawn(async move {
            for _ in 0..turns {
                let priority = Priority::ALL[usize::try_from(numbers.below(4)).unwrap()];
                let patience = Duration::from_micros(if impatient { numbers.below(3000) } else { 60_000_000 });
                let options = AcquireOptions::default().priority(priority).timeout(patience);
                let acquiring = client.acquire(&key, &options);
                let outcome = if impatient && numbers.below(2) == 0 {
                    // Dropped wherever it happens to be.
                    tokio::time::timeout(patience / 2, acquiring).await.ok()
                } else {
                    Some(acquiring.await)
                };
                match outcome {
                    Some(Ok(guard)) => {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders");
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        granted.fetch_add(1, Ordering::Relaxed);
                        guard.release().await.unwrap();
                    }
                    Some(Err(Error::TimedOut { .. })) | None if impatient => {}
                    other => panic!("{other:?}"),
                }
            }
        }));
    }
    let all = async {
        for task in running {
            task.await.unwrap();
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), all).await.is_err() {
        panic!("stuck after {} grants: {:?}", granted.load(Ordering::Relaxed), clients[0].inspect(&key).await);
    }
    assert!(granted.load(Ordering::Relaxed) > 0);
    // What was withdrawn by a drop leaves the line a moment later; then the lock is free for the next.
    let options = AcquireOptions::default().timeout(Duration::from_secs(10)).priority(Priority::Low);
    clients[0].acquire(&key, &options).await.unwrap().release().await.unwrap();
    assert!(clients[0].inspect(&key).await.unwrap().queue.is_empty(), "a ticket is left behind");
}

fn run(crowd: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap().block_on(crowd);
}

#[test]
fn with_a_task_in_each_of_many_clients() {
    run(crowd(12, 12, 60, false));
}

#[test]
fn with_many_tasks_in_few_clients() {
    run(crowd(3, 24, 40, false));
}

#[test]
fn with_impatient_tasks_that_give_up_anywhere() {
    run(crowd(4, 12, 300, true));
}
