//! Acquire and release with nobody else there.

use std::{fs::File, hint::black_box, path::Path, sync::Arc, time::Duration};

use lock_core::{AcquireOptions, BlockingLock, DistributedLock, DistributedLockExt, LockKey, Moment};

use crate::{
    measure::{compare, median},
    store,
};

const ROUNDS: usize = 5000;

/// Interleaved rounds, so that the machine's mood is the same for all.
pub(crate) fn measure(store: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = File::create(folder.path().join("raw")).expect("a file");
    let mut guarded = fd_lock::RwLock::new(File::create(folder.path().join("guarded")).expect("a file"));
    let ours = OurLock::open(store, folder.path());
    let (mut raws, mut fd_locks, mut asyncs, mut blockings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raws.push(timed(|| {
            fs2::FileExt::lock_exclusive(&raw).expect("locked");
            fs2::FileExt::unlock(&raw).expect("unlocked");
        }));
        fd_locks.push(timed(|| drop(black_box(guarded.write().expect("locked")))));
        blockings.push(timed(|| ours.blocking()));
        asyncs.push(ours.runtime.block_on(async { timed_async(ours.asynchronous()).await }));
    }
    let (raw, fd_lock) = (median(raws), median(fd_locks));
    let asynchronous = median(asyncs);
    compare("acquire + release, async, token persisted", asynchronous, "raw fs2", raw);
    compare("acquire + release, async, token persisted", asynchronous, "fd-lock", fd_lock);
    compare("acquire + release, blocking facade", median(blockings), "raw fs2", raw);
}

/// Ours, for callers that wait in a task, and for those that wait in a thread.
pub(crate) struct OurLock {
    lock: Arc<dyn DistributedLock>,
    blocking: BlockingLock,
    key: LockKey,
    options: AcquireOptions,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl OurLock {
    pub(crate) fn open(store: &str, folder: &Path) -> Self {
        let lock = store::open(store, folder);
        let blocking = BlockingLock::new(Arc::clone(&lock));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let key = LockKey::new("uncontended").expect("a key");
        Self { lock, blocking, key, options: AcquireOptions::default(), runtime }
    }

    pub(crate) async fn asynchronous(&self) {
        let guard = self.lock.acquire(&self.key, &self.options).await.expect("acquired");
        guard.release().await.expect("released");
    }

    fn blocking(&self) {
        self.blocking.acquire(&self.key, &self.options).expect("acquired").release().expect("released");
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = std::time::Instant::now();
    work();
    began.elapsed()
}

pub(crate) async fn timed_async(work: impl Future<Output = ()>) -> Duration {
    let began = Moment::now();
    work.await;
    began.elapsed()
}
