//! The lock on a Redis server and on three, beside a peer on the same servers, and beside what their answers alone cost.

use std::time::Duration;

use redis::{AsyncCommands as _, Commands as _};
use rslock::LockManager;
use tests::{redis_quorum::RedisQuorum, redis_server::RedisServer};

use crate::{
    measure::{compare, median},
    turns::{self, held, started},
    uncontended::{OurLock, timed_async},
    waiters as lines,
};

/// Before the URLs, for processes that lock with rslock.
pub(crate) const RSLOCK: &str = "rslock ";
/// Before the URL, for processes that have no lock and wake each other by lists of the server.
pub(crate) const LISTS: &str = "lists ";
/// Longer than any hold, and what both take.
const TTL: Duration = Duration::from_secs(10);
const ROUNDS: usize = 2000;

pub(crate) fn uncontended() {
    let server = RedisServer::start();
    measure_uncontended(&server.url(), &[server.url()]);
}

pub(crate) fn quorum_uncontended() {
    let servers = RedisQuorum::start_old(3, &[]);
    let each: Vec<String> = (0..3).map(|at| format!("redis://127.0.0.1:{}", servers.port(at))).collect();
    measure_uncontended(&servers.url(), &each);
    measure_beside_one(&servers.url());
}

/// Interleaved rounds; the one server is none of the three, and is reached as they are.
fn measure_beside_one(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let one = RedisQuorum::start(1, &[]);
    let of_three = OurLock::open(url, folder.path());
    let of_one = OurLock::open(&format!("redis://127.0.0.1:{}", one.port(0)), folder.path());
    let round = |_| [&of_three, &of_one].map(|lock| lock.runtime.block_on(timed_async(lock.asynchronous())));
    let (of_three, of_one) = (0..ROUNDS).map(round).map(<(Duration, Duration)>::from).unzip();
    compare("acquire + release", median(of_three), "on one server", median(of_one));
}

pub(crate) fn handover() {
    let server = RedisServer::start();
    let url = server.url();
    let (rival, floor) = (format!("{RSLOCK}{url}"), format!("{LISTS}{url}"));
    turns::measure_beside(&url, ("rslock", &rival), ("relay by lists", &floor));
}

pub(crate) fn waiters() {
    let server = RedisServer::start();
    lines::measure(&server.url());
}

/// Interleaved rounds, so that the machine's mood is the same for all.
fn measure_uncontended(url: &str, each: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = OurLock::open(url, folder.path());
    let (mut ours_took, mut theirs_took, mut answers_took) = (Vec::new(), Vec::new(), Vec::new());
    ours.runtime.block_on(async {
        let rslock = LockManager::new(each.to_vec());
        let client = redis::Client::open(each[0].as_str()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("connected");
        for _ in 0..ROUNDS {
            ours_took.push(timed_async(ours.asynchronous()).await);
            theirs_took.push(timed_async(lock_with(&rslock, "uncontended")).await);
            answers_took.push(timed_async(two_answers(&mut connection)).await);
        }
    });
    let ours = median(ours_took);
    compare("acquire + release", ours, "rslock", median(theirs_took));
    compare("acquire + release", ours, "two answers of one", median(answers_took));
}

async fn lock_with(rslock: &LockManager, key: &str) {
    rslock.acquire(key, TTL).await.expect("acquired").release().await;
}

async fn two_answers(connection: &mut redis::aio::MultiplexedConnection) {
    for _ in 0..2 {
        let _pong: String = connection.ping().await.expect("an answer");
    }
}

/// Turns of a process that locks with rslock, as it comes: it tries again after up to 200 ms.
pub(crate) fn rslock_turns(urls: &str, turns: usize, hold: Duration) -> Vec<(u64, u64, u64)> {
    let urls = urls.strip_prefix(RSLOCK).expect("checked").split(' ').collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rslock = LockManager::new(urls);
    started();
    let turn = |_| {
        let guard = runtime.block_on(rslock.acquire("bench", TTL)).expect("acquired");
        let (since, until) = held(hold);
        runtime.block_on(guard.release());
        (since, until, 0)
    };
    (0..turns).map(turn).collect()
}

/// No lock at all: each process wakes a certain other one by a list of the server's, and sleeps. What order costs at the least.
pub(crate) fn list_turns(
    url: &str,
    turns: usize,
    hold: Duration,
    (index, count): (usize, usize),
) -> Vec<(u64, u64, u64)> {
    let client = redis::Client::open(url.strip_prefix(LISTS).expect("checked")).expect("a URL");
    let mut connection = client.get_connection().expect("connected");
    let list = |index: usize| format!("relay:{index}");
    // What an earlier relay has left.
    let _lists: u64 = connection.del(list(index)).expect("deleted");
    started();
    if index == 0 {
        let _length: u64 = connection.rpush(list(index), "1").expect("pushed");
    }
    let turn = |_| {
        let _woken: (String, String) = connection.blpop(list(index), 0.0).expect("woken");
        let (since, until) = held(hold);
        let _length: u64 = connection.rpush(list((index + 1) % count), "1").expect("pushed");
        (since, until, 0)
    };
    (0..turns).map(turn).collect()
}
