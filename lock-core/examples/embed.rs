//! Embedding the lock, async and blocking: `cargo run -p lock-core --example embed`.
//!
//! The in-process backend keeps the example free of files; any other backend is used in just the same way.

use std::{sync::Arc, time::Duration};

use lock_core::{
    AcquireOptions, BlockingLock, DistributedLock, DistributedLockExt, Error, LockKey, Priority, Registry, StoreConfig,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The backend is chosen at run time, by name or URL.
    let mut registry = Registry::new();
    registry.register_thread();
    let lock = registry.open(StoreConfig::new("thread", ".")).await?;
    let key = LockKey::new("the-one-mouse")?;

    let guard = asynchronously(&lock, &key).await?;
    // Somebody else waits in line, in a thread that knows no tokio.
    let blocking = BlockingLock::new(Arc::clone(&lock));
    let other = std::thread::spawn({
        let key = key.clone();
        move || in_a_thread(&blocking, &key)
    });
    guard.release().await?;
    other.join().map_err(|_| "the other thread panicked")??;
    Ok(())
}

async fn asynchronously(lock: &Arc<dyn DistributedLock>, key: &LockKey) -> Result<lock_core::Guard, Error> {
    let options = AcquireOptions::default().label("Agent-1").timeout(Duration::from_secs(5));
    let guard = lock.acquire(key, &options).await?;
    // Right before each act: does the lease still hold? The token goes to whatever can refuse an older one.
    guard.check()?;
    report(&format!("async: held under token {}", guard.token()));
    // Long work ends early when the lease is lost.
    tokio::select! {
        reason = guard.lost() => report(&format!("async: lost, {reason}")),
        () = tokio::time::sleep(Duration::from_millis(5)) => report("async: worked"),
    }
    Ok(guard)
}

fn in_a_thread(lock: &BlockingLock, key: &LockKey) -> Result<(), Error> {
    let options = AcquireOptions::default().label("Agent-2").priority(Priority::Urgent);
    let guard = lock.acquire(key, &options)?;
    report(&format!("blocking: held under token {}", guard.token()));
    guard.release()
}

#[allow(clippy::print_stdout, reason = "an example talks")]
fn report(line: &str) {
    println!("{line}");
}
