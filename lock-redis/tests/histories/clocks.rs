//! Wall clocks that are set by hours, on the hosts of those who hold and wait and on that of the server.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, LockKey, LossReason, Moment};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_server::RedisServer,
    require,
    wall_clock::WallClock,
};
use tokio::task::JoinHandle;

use crate::{
    crowd::{Crowd, Recipe},
    history::Excuses,
    operator::Operator,
    sender,
};

const HOUR: i64 = 3600;
const SENDERS: usize = 6;
const TTL: Duration = Duration::from_secs(1);
/// The lease of the one that holds while the clocks are set.
const HELD_FOR: Duration = Duration::from_secs(60);

fn recipe(server: &RedisServer, within: Vec<String>, special: Option<(&'static str, u64)>, seed: u64) -> Recipe {
    Recipe { within, url: server.url(), turns: 4, ttl: TTL, longest: TTL / 4, seed, special }
}

/// Waits until the first one has renewed its lease twice after now, and has held for longer than any other lease is.
fn until_held_on(crowd: &mut Crowd, server: &RedisServer) {
    let ends = || server.tell(&["HGET", "talkstick:{k}:lock", "ends"]).parse::<u64>().unwrap();
    let end = Moment::now() + 2 * TTL;
    for _ in 0..2 {
        let before = ends();
        until(READY_WITHIN, "the lease is renewed", || ends() > before);
    }
    crowd.until("the first one holds on", |members| members[0].turns.last().is_some_and(|turn| turn.until >= end));
}

#[test]
fn who_holds_and_waits_takes_no_notice_of_its_own_wall_clock() {
    require!("redis-server", "redis-cli", "cc");
    let server = RedisServer::start();
    let operator = Operator::at(&server);
    let clocks: Vec<WallClock> = (0..SENDERS).map(|_| WallClock::right()).collect();
    let special = |sender| (sender == 0).then_some((sender::UNTIL_TOLD, 0));
    let recipes = clocks.iter().enumerate();
    let mut recipes: Vec<Recipe> =
        recipes.map(|(sender, clock)| recipe(&server, clock.run(), special(sender), sender as u64)).collect();
    // A renewal that a busy machine delays must not end it.
    recipes[0].ttl = HELD_FOR;
    let mut crowd = Crowd::gather(&recipes);
    crowd.members[0].process.say("begin");
    crowd.until("the first one holds", |members| !members[0].turns.is_empty());
    crowd.begin(Some(0));
    let pids: Vec<u32> = crowd.members.iter().map(|member| member.process.pid()).collect();
    operator.until_in_line(1, &pids[1..]);
    for hours in [9, -13] {
        let signs = [1, -1].into_iter().cycle();
        clocks.iter().zip(signs).for_each(|(clock, sign)| clock.set(sign * hours * HOUR));
        until_held_on(&mut crowd, &server);
    }
    crowd.members[0].process.say("let go");
    crowd.until_all_have_ended();
    let found = crowd.violations(Excuses { ttl: TTL, ..Excuses::default() });
    assert!(found.is_empty(), "{} violations: {found:#?}", found.len());
    assert!(crowd.members.iter().all(|member| member.turns.len() > 1), "all went on");
    let hours_between = |wall_us: &[u64]| (wall_us[0].abs_diff(wall_us[1]) / 1_000_000).cast_signed() / HOUR;
    assert_eq!(hours_between(&crowd.members[0].wall_us), 12, "its clock was set while it held");
}

async fn client(server: &RedisServer) -> Arc<dyn DistributedLock> {
    Arc::new(RedisLock::open(RedisConfig::parse(&server.url()).unwrap()).await.unwrap())
}

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(50))
}

async fn in_line(server: &RedisServer, count: usize) -> Vec<JoinHandle<Guard>> {
    let operator = client(server).await;
    let mut waiters = Vec::new();
    for number in 1..=count {
        let lock = client(server).await;
        waiters.push(tokio::spawn(async move { lock.acquire(&key(), &options()).await.unwrap() }));
        while operator.inspect(&key()).await.unwrap().queue.len() < number {
            tokio::task::yield_now().await;
        }
    }
    waiters
}

/// A lease that has lasted for two hours by the server's clock is over: whoever asks first has it, and the holder is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_s_clock_that_leaps_ahead_ends_leases_and_the_holder_is_told() {
    require!("redis-server", "redis-cli", "cc");
    let clock = WallClock::right();
    let server = RedisServer::start_within(clock.run(), &[]);
    let lock = client(&server).await;
    let holder = lock.acquire(&key(), &options()).await.unwrap();
    let waiters = in_line(&server, 3).await;
    clock.set(2 * HOUR);
    let reason = holder.lost().await;
    assert!(matches!(reason, LossReason::Expired | LossReason::Replaced), "{reason:?}");
    let mut tokens = vec![holder.token()];
    for waiter in waiters {
        let guard = waiter.await.unwrap();
        tokens.push(guard.token());
        guard.release().await.unwrap();
    }
    // And back: tokens go on from where they were.
    clock.set(0);
    let last = lock.acquire(&key(), &options()).await.unwrap();
    tokens[1..].sort_unstable();
    tokens.push(last.token());
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    last.release().await.unwrap();
}

/// A dead holder's lease ends after its ttl, and not when the clock is again where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_s_clock_that_is_set_back_prolongs_no_lease_beyond_its_ttl() {
    require!("redis-server", "redis-cli", "cc");
    let clock = WallClock::right();
    let server = RedisServer::start_within(clock.run(), &[]);
    let mut crowd = Crowd::gather(&[recipe(&server, Vec::new(), Some((sender::UNTIL_TOLD, 0)), 0)]);
    crowd.begin(None);
    crowd.until("it holds", |members| !members[0].turns.is_empty());
    crowd.members[0].process.stop();
    clock.set(-3 * HOUR);
    // A waiter that lives is served as ever.
    let mut waiters = in_line(&server, 2).await;
    crowd.members[0].process.kill();
    let token = crowd.members[0].turns[0].token;
    for waiter in waiters.drain(..) {
        let guard = waiter.await.unwrap();
        assert!(guard.token().0 > token, "{} after {token}", guard.token());
        guard.release().await.unwrap();
    }
}
