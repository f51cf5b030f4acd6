//! MUST 1, exclusion: at most one live lease per key, over tasks, threads, processes.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Fixture, Harness, fixture::options, process::blocking};
use crate::{BlockingLock, DistributedLockExt, LockKey, Priority};

/// Counts who is inside, and fails on the second.
#[derive(Default)]
struct Inside(AtomicUsize);

impl Inside {
    fn enter(&self) {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub async fn between_tasks<H: Harness>(f: &Fixture<H>) {
    let inside = Arc::new(Inside::default());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (lock, key, inside) = (Arc::clone(&f.lock), f.key.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let guard = lock.acquire(&key, &options()).await.expect("acquired");
                inside.enter();
                tokio::task::yield_now().await;
                inside.leave();
                guard.release().await.expect("released");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no two holders");
    }
}

pub async fn between_threads<H: Harness>(f: &Fixture<H>) {
    let inside = Arc::new(Inside::default());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (lock, key) = (BlockingLock::new(Arc::clone(&f.lock)), f.key.clone());
            let inside = Arc::clone(&inside);
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let guard = lock.acquire(&key, &options()).expect("acquired");
                    inside.enter();
                    std::thread::yield_now();
                    inside.leave();
                    guard.release().expect("released");
                }
            })
        })
        .collect();
    blocking(move || threads.into_iter().for_each(|t| t.join().expect("no two holders"))).await;
}

/// Intervals on the host's clock, which all processes share, are swept for overlap.
pub async fn between_processes<H: Harness>(f: &Fixture<H>) {
    const TURNS: usize = 10;
    let processes: Vec<_> = (0..4).map(|i| f.process(&format!("P{i}"), Priority::Normal, TURNS)).collect();
    let threads: Vec<_> = processes
        .into_iter()
        .map(|mut process| {
            // Each on a thread of its own at once: whichever process holds must be told to go on.
            tokio::task::spawn_blocking(move || {
                let turn = |_| (process.until_held().since_ns, process.release());
                (0..TURNS).map(turn).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut intervals = Vec::new();
    for thread in threads {
        intervals.extend(thread.await.expect("ran"));
    }
    intervals.sort_unstable();
    assert_eq!(intervals.len(), 4 * TURNS);
    for pair in intervals.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "held by two processes at once: {pair:?}");
    }
}

pub async fn keys_that_differ_do_not_exclude<H: Harness>(f: &Fixture<H>) {
    let longest = "x".repeat(crate::KEY_BYTES_MAX);
    let mut guards = Vec::new();
    for name in ["a", "A", "a.b", "a/b", "a%2Fb", "a b", "{a}", "..", ".a", "\u{65e5}\u{672c}", &longest] {
        let key = LockKey::new(name).expect("a key");
        let guard = f.lock.try_acquire(&key, &options()).await.expect("asked");
        guards.push(guard.unwrap_or_else(|| panic!("`{name}` is excluded by another key")));
    }
}

pub async fn the_lock_is_not_reentrant<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    assert!(f.lock.try_acquire(&f.key, &options()).await.expect("asked").is_none(), "it is locked, so it is not mine");
    guard.release().await.expect("released");
    assert!(f.lock.try_acquire(&f.key, &options()).await.expect("asked").is_some());
}

pub async fn works_as_dyn_from_two_clients<H: Harness>(f: &Fixture<H>) {
    let other = f.harness.client();
    let guard = f.acquire().await;
    assert!(other.try_acquire(&f.key, &options()).await.expect("asked").is_none());
    guard.release().await.expect("released");
    assert!(other.try_acquire(&f.key, &options()).await.expect("asked").is_some());
}
