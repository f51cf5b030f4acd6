//! One process of the flood.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey, Moment, ThreadLock, background};
use lock_file::{FileConfig, FileLock};
use lock_redis::{QuorumLock, RedisConfig, RedisLock};
use lock_sqlite::{SqliteConfig, SqliteLock};

use super::verdict::{Memory, Turn};

pub(super) const STORE: &str = "TALKSTICK_TEST_FLOOD_STORE";
pub(super) const TASKS: &str = "TALKSTICK_TEST_FLOOD_TASKS";
pub(super) const SECONDS: &str = "TALKSTICK_TEST_FLOOD_SECONDS";

/// A task ends early when it has had so many turns.
const TURNS_MAX: usize = 1024;

/// Not a test of its own: what [`super::flood`] starts.
#[test]
fn member() {
    let Ok(store) = std::env::var(STORE) else { return };
    let number = |name: &str| -> u64 { std::env::var(name).expect("set").parse().expect("a number") };
    let (tasks, span) = (number(TASKS), Duration::from_secs(number(SECONDS)));
    let lock = open(&store);
    println!("\nREADY");
    std::io::stdin().read_line(&mut String::new()).expect("it is told");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (turns, memory) = runtime.block_on(take_turns(&lock, tasks, span));
    for turn in turns {
        println!("TURN {turn}");
    }
    println!("MEMORY {memory}");
}

fn open(store: &str) -> Arc<dyn DistributedLock> {
    if store == "thread" {
        return Arc::new(ThreadLock::new());
    }
    if let Some(folder) = store.strip_prefix("file:") {
        return Arc::new(FileLock::open(FileConfig::new(folder)).expect("opened"));
    }
    if let Some(path) = store.strip_prefix("sqlite:") {
        return Arc::new(SqliteLock::open(SqliteConfig::new(path)).expect("opened"));
    }
    let (config, runtime) = (RedisConfig::parse(store).expect("a URL"), background::handle().expect("a runtime"));
    if store.starts_with("redis+quorum:") {
        return Arc::new(runtime.block_on(QuorumLock::open(config)).expect("opened"));
    }
    Arc::new(runtime.block_on(RedisLock::open(config)).expect("opened"))
}

async fn take_turns(lock: &Arc<dyn DistributedLock>, tasks: u64, span: Duration) -> (Vec<Turn>, Memory) {
    let until = Moment::now() + span;
    let halfway = Moment::now() + span / 2;
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(task(Arc::clone(lock), until))).collect();
    background::sleep_until(halfway).await.expect("a timer");
    let half_kib = Memory::now_kib();
    let mut turns = Vec::new();
    let mut end_kib = None;
    for task in tasks {
        let its = task.await.expect("no task panics");
        // Before all that was noted is put together.
        end_kib.get_or_insert_with(Memory::now_kib);
        turns.extend(its);
    }
    (turns, Memory { half_kib, end_kib: end_kib.unwrap_or(0) })
}

async fn task(lock: Arc<dyn DistributedLock>, until: Moment) -> Vec<Turn> {
    let key = LockKey::new("flood").expect("a key");
    let options = AcquireOptions::default().timeout(Duration::from_secs(600));
    // Room for all, in memory from the start, so that it does not grow while memory is watched.
    let mut turns = vec![Turn::default(); TURNS_MAX];
    turns.clear();
    while !until.is_past() && turns.len() < TURNS_MAX {
        let asked = Moment::now().since_boot_ns();
        let guard = lock.acquire(&key, &options).await.expect("granted");
        let since = Moment::now().since_boot_ns();
        let (token, ticket) = (guard.token().0, guard.lease().ticket);
        tokio::task::yield_now().await;
        let until = Moment::now().since_boot_ns();
        guard.release().await.expect("released");
        turns.push(Turn { asked, since, until, token, ticket });
    }
    turns
}
