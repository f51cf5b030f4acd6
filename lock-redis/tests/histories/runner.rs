//! Runs schedules, each named by its seed, some of them beside each other.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey, wall_clock_us};
use lock_redis::{RedisConfig, RedisLock};

use crate::{crowd::Crowd, history::Excuses};

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

/// Runs `TALKSTICK_TEST_RUNS` schedules, or so many, from `TALKSTICK_TEST_SEED` on, or from another seed at each call. `run` does one, and
/// gives how many turns its senders had; what it logs is printed when it fails.
pub(crate) fn run_all(runs: u64, at_once: usize, run: impl Fn(u64, &mut String) -> usize + Sync) {
    let runs = number("TALKSTICK_TEST_RUNS", runs);
    let first = number("TALKSTICK_TEST_SEED", wall_clock_us());
    println!("{runs} schedules from seed {first} on");
    let (next, turns, failed) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return;
            }
            let seed = first + number;
            let mut log = String::new();
            match catch_unwind(AssertUnwindSafe(|| run(seed, &mut log))) {
                Ok(had) => _ = turns.fetch_add(had, Ordering::Relaxed),
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    println!("seed {seed} failed:\n{log}");
                }
            }
        }
    };
    std::thread::scope(|scope| (0..at_once).for_each(|_| _ = scope.spawn(work)));
    let (turns, failed) = (turns.into_inner(), failed.into_inner());
    println!("{turns} turns in {runs} schedules");
    assert_eq!(failed, 0, "of {runs} schedules");
}

/// Nothing is found that these excuses do not cover, and the lock at `url` is had once more; gives how many turns there were.
pub(crate) fn judge(seed: u64, crowd: &Crowd, excuses: &Excuses, url: &str, log: &mut String) -> usize {
    let found = crowd.violations(excuses.clone());
    if !found.is_empty() {
        writeln!(log, "{excuses:#?}\n{found:#?}").unwrap();
    }
    assert!(found.is_empty(), "seed {seed}: {} violations", found.len());
    let turns = crowd.turns();
    let last = turns.iter().map(|turn| turn.token).max().unwrap_or(0);
    assert!(token_at_the_end(url) > last, "seed {seed}: the last token was {last}");
    turns.len()
}

/// Whatever is left of those that were killed: the lock is had once more.
fn token_at_the_end(url: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lock = RedisLock::open(RedisConfig::parse(url).unwrap()).await.unwrap();
        let lock: Arc<dyn DistributedLock> = Arc::new(lock);
        let options = AcquireOptions::default().timeout(Duration::from_secs(30));
        let guard = lock.acquire(&LockKey::new("k").unwrap(), &options).await.unwrap();
        let token = guard.token().0;
        guard.release().await.unwrap();
        token
    })
}
