//! What waiting costs: a long line must not slow the handover, and waiting must not burn the processor.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use lock_core::{AcquireOptions, BlockingLock, LockKey};

use crate::{
    measure::{compare, figure, median},
    store,
    turns::{Turns, handovers},
};

const HOLD: Duration = Duration::from_millis(1);

/// Measures the first handovers of a line of 1000 against those of a line of 8, then the processor time of 100 waiters.
pub(crate) fn measure(store: &str) {
    let short: Vec<Duration> = (0..25).flat_map(|_| first_handovers(store, 8)).collect();
    let long = first_handovers(store, 1000);
    compare("handover in a line of 1000 processes", median(long), "in a line of 8", median(short));
    let spent = processor_time_of_waiting(store, 100, Duration::from_secs(10));
    figure("processor time of 100 waiters over 10 s", &format!("{:.3} s", spent.as_secs_f64()));
}

struct Line {
    lock: BlockingLock,
    key: LockKey,
}

impl Line {
    fn open(store: &str, folder: &Path) -> Self {
        Self { lock: BlockingLock::new(store::open(store, folder)), key: LockKey::new("bench").expect("a key") }
    }

    fn until_waiting(&self, count: usize) {
        while self.lock.inspect(&self.key).expect("inspected").queue.len() < count {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// At most 200 handovers, so that the line stays long.
fn first_handovers(store: &str, waiting: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir().expect("a folder");
    let line = Line::open(store, folder.path());
    let guard = line.lock.acquire(&line.key, &AcquireOptions::default()).expect("acquired");
    let mut processes = Turns::ready(store, folder.path(), waiting, 1, HOLD);
    (0..waiting).for_each(|process| processes.start(process));
    line.until_waiting(waiting);
    guard.release().expect("released");
    let mut first = handovers(&processes.finish());
    first.truncate(200);
    first
}

fn processor_time_of_waiting(store: &str, waiting: usize, span: Duration) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let line = Line::open(store, folder.path());
    let _guard = line.lock.acquire(&line.key, &AcquireOptions::default()).expect("acquired");
    let mut processes = Turns::ready(store, folder.path(), waiting, 1, HOLD);
    (0..waiting).for_each(|process| processes.start(process));
    line.until_waiting(waiting);
    let spent = || -> HashMap<PathBuf, Duration> {
        processes.children.iter().flat_map(|child| processor_times(child.id())).collect()
    };
    let before = spent();
    std::thread::sleep(span);
    // By thread: one that ends meanwhile had nothing to do, and takes its earlier time with it.
    spent().iter().map(|(thread, now)| *now - before.get(thread).copied().unwrap_or_default()).sum()
}

/// Time on a processor of each thread, as the scheduler counted it.
fn processor_times(pid: u32) -> Vec<(PathBuf, Duration)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a live process");
    let time = |thread: std::io::Result<std::fs::DirEntry>| {
        let path = thread.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(&path).ok()?;
        Some((path, Duration::from_nanos(text.split(' ').next()?.parse().ok()?)))
    };
    threads.filter_map(time).collect()
}
