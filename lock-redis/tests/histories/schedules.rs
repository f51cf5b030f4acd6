//! Random schedules of faults, each named by its seed. The ordinary run takes 20 of them, and each run takes other ones. The
//! full form, and one of them again (the faults are the same then; what they meet is up to the machine):
//!
//! ```text
//! TALKSTICK_TEST_RUNS=1000 cargo test -p lock-redis --test histories schedules:: -- --nocapture
//! TALKSTICK_TEST_RUNS=1 TALKSTICK_TEST_SEED=4711 cargo test -p lock-redis --test histories schedules::
//! ```

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey, Moment, wall_clock_us};
use lock_redis::{RedisConfig, RedisLock};
use tests::{redis_server::RedisServer, require};

use crate::{
    fault::{Fault, Site},
    sender::Dice,
};

const RUNS: u64 = 20;
/// Schedules beside each other: they mostly wait.
const AT_ONCE: usize = 10;

/// A fault that is not yet undone.
struct UnderWay {
    fault: Fault,
    began: Moment,
    until: Moment,
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn no_schedule_of_faults_breaks_the_contract() {
    require!("redis-server", "redis-cli", "cc");
    let runs = number("TALKSTICK_TEST_RUNS", RUNS);
    let first = number("TALKSTICK_TEST_SEED", wall_clock_us());
    println!("{runs} schedules from seed {first} on");
    let (next, turns, failed) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
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
        (0..AT_ONCE).for_each(|_| _ = scope.spawn(work));
    });
    let (turns, failed) = (turns.into_inner(), failed.into_inner());
    println!("{turns} turns in {runs} schedules");
    assert_eq!(failed, 0, "of {runs} schedules");
}

/// One schedule; gives how many turns its senders had.
fn run(seed: u64, log: &mut String) -> usize {
    let mut dice = Dice(seed);
    let mut site = Site::open(&mut dice);
    site.crowd.begin(None);
    disturb(&mut site, &mut dice, log);
    site.crowd.until_all_have_ended();
    let found = site.crowd.violations(site.excuses.clone());
    if !found.is_empty() {
        writeln!(log, "{:#?}\n{found:#?}", site.excuses).unwrap();
    }
    assert!(found.is_empty(), "seed {seed}: {} violations", found.len());
    let turns = site.crowd.turns();
    let last = turns.iter().map(|turn| turn.token).max().unwrap_or(0);
    assert!(token_at_the_end(&site.server) > last, "seed {seed}: the last token was {last}");
    turns.len()
}

fn disturb(site: &mut Site, dice: &mut Dice, log: &mut String) {
    let mut under_way: Vec<UnderWay> = Vec::new();
    for _ in 0..3 + dice.roll(4) {
        let (fault, span) = (Fault::random(dice), dice.ms(20, 2500));
        if under_way.iter().all(|other| other.fault.subject() != fault.subject()) {
            let began = Moment::now();
            writeln!(log, "{} {fault:?} for {span:?}", began.since_boot_ns()).unwrap();
            site.begin(fault, span);
            under_way.push(UnderWay { fault, began, until: began + span });
        }
        let pause = Moment::now() + dice.ms(20, 600);
        undo(site, &mut under_way, pause);
        std::thread::sleep(pause.remaining());
    }
    let end = under_way.iter().map(|fault| fault.until).max().unwrap_or_else(Moment::now);
    undo(site, &mut under_way, end);
}

/// Undoes in its time what is to be undone until then.
fn undo(site: &mut Site, under_way: &mut Vec<UnderWay>, until: Moment) {
    under_way.sort_unstable_by_key(|fault| fault.until);
    let over = under_way.iter().take_while(|fault| fault.until <= until).count();
    for UnderWay { fault, began, until } in under_way.drain(..over) {
        std::thread::sleep(until.remaining());
        site.end(fault, began);
    }
}

/// Whatever is left of those that were killed: the lock is had once more.
fn token_at_the_end(server: &RedisServer) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lock = RedisLock::open(RedisConfig::parse(&server.url()).unwrap()).await.unwrap();
        let lock: std::sync::Arc<dyn DistributedLock> = std::sync::Arc::new(lock);
        let options = AcquireOptions::default().timeout(Duration::from_secs(30));
        let guard = lock.acquire(&LockKey::new("k").unwrap(), &options).await.unwrap();
        let token = guard.token().0;
        guard.release().await.unwrap();
        token
    })
}
