//! The lines of the servers, and how they come to agree.

use std::{slice, sync::Arc};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, Moment, wall_clock_us};
use tests::{probe::READY_WITHIN, proxy::Pass, redis_quorum::RedisQuorum, require};
use tokio::task::JoinHandle;

use crate::site::{Fault, begin, client, end, hold, key, networks, of_one, options};

const LABELS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

/// A server's line: the number and the label of each that waits there.
type Line = Vec<(u64, String)>;

/// Waits until the lines of these servers are so.
async fn until_lines(servers: &[Arc<dyn DistributedLock>], are_so: impl Fn(&[Line]) -> bool) -> Vec<Line> {
    let deadline = Moment::now() + READY_WITHIN;
    loop {
        let mut lines = Vec::new();
        for server in servers {
            let queue = server.inspect(&key()).await.unwrap().queue;
            lines.push(queue.into_iter().map(|waiter| (waiter.ticket, waiter.owner.label)).collect());
        }
        if are_so(&lines) {
            return lines;
        }
        assert!(!deadline.is_past(), "they stay so: {lines:?}");
        tokio::task::yield_now().await;
    }
}

fn are(line: &Line, labels: &[&str]) -> bool {
    line.iter().map(|(_, label)| label.as_str()).eq(labels.iter().copied())
}

/// Waits until those of these labels stand in a server's line, in this order.
async fn until_in_line(server: &Arc<dyn DistributedLock>, labels: &[&str]) {
    until_lines(slice::from_ref(server), |lines| are(&lines[0], labels)).await;
}

/// The same in the lines of all these servers, under the same numbers, which it gives.
async fn until_agreed(servers: &[Arc<dyn DistributedLock>], labels: &[&str]) -> Vec<u64> {
    let agree = |lines: &[Line]| lines.iter().all(|line| *line == lines[0] && are(line, labels));
    until_lines(servers, agree).await.swap_remove(0).into_iter().map(|(number, _)| number).collect()
}

async fn each_of(quorum: &RedisQuorum) -> [Arc<dyn DistributedLock>; 3] {
    [of_one(quorum, 0).await, of_one(quorum, 1).await, of_one(quorum, 2).await]
}

/// A quorum, each of its servers alone, and who holds the lock.
async fn held() -> (RedisQuorum, [Arc<dyn DistributedLock>; 3], Guard) {
    let quorum = RedisQuorum::start_old(3, &[]);
    let servers = each_of(&quorum).await;
    let holder = hold(&client(quorum.url()).await).await;
    (quorum, servers, holder)
}

/// Who waits has the lock one after the other, in this order.
async fn have_it_in_order(holder: Guard, waiting: Vec<JoinHandle<Guard>>) {
    holder.release().await.unwrap();
    let mut waiting = waiting.into_iter();
    while let Some(next) = waiting.next() {
        let guard = next.await.unwrap();
        assert!(waiting.as_slice().iter().all(|later| !later.is_finished()));
        guard.release().await.unwrap();
    }
}

/// What its clock would issue if it were ahead by 20 s.
fn set_ahead(quorum: &mut RedisQuorum, at: usize) -> u64 {
    let ahead = wall_clock_us() + 20_000_000;
    quorum.server(at).tell(&["HSET", "talkstick:{k}:lock", "number_last", &ahead.to_string()]);
    ahead
}

fn acquire(lock: Arc<dyn DistributedLock>, options: AcquireOptions) -> JoinHandle<Guard> {
    tokio::spawn(async move { lock.acquire(&key(), &options).await.unwrap() })
}

/// Who came at the same moment stands in another order on each server, and would split the votes at each handover.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_whatever_the_order_in_which_requests_have_reached_them() {
    require!("redis-server", "redis-cli");
    let (mut quorum, servers, holder) = held().await;
    let (networks, url) = networks(&mut quorum);
    let (late, prompt) = (client(url).await, client(quorum.url()).await);
    networks[0].requests(Pass::Later);
    let second = acquire(late, options().label("second"));
    for server in &servers[1..] {
        until_in_line(server, &["second"]).await;
    }
    let first = acquire(prompt, options().label("first"));
    until_in_line(&servers[0], &["first"]).await;
    networks[0].requests(Pass::Now);
    // The second one's is the highest there, to which it came last.
    until_agreed(&servers, &["first", "second"]).await;
    have_it_in_order(holder, vec![first, second]).await;
}

/// A clock behind that of the first server: what it has issued is no number of the past there.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_on_servers_whose_clocks_differ_by_seconds() {
    require!("redis-server", "redis-cli");
    let (mut quorum, servers, holder) = held().await;
    let ahead = set_ahead(&mut quorum, 0);
    let mut waiting = Vec::new();
    for label in ["first", "second"] {
        waiting.push(acquire(client(quorum.url()).await, options().label(label)));
        until_agreed(&servers, &["first", "second"][..waiting.len()]).await;
    }
    assert_eq!(until_agreed(&servers, &["first", "second"]).await, [ahead + 1, ahead + 2]);
    // Behind them, although its server's clock says an earlier time, and the one that is ahead is out of its reach.
    let last = acquire(servers[1].clone(), options().label("last"));
    until_in_line(&servers[1], &["first", "second", "last"]).await;
    last.abort();
    have_it_in_order(holder, waiting).await;
}

/// The numbers of those who wait stay as they were while it was away.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_with_the_first_server_when_it_is_back_without_its_line() {
    require!("redis-server", "redis-cli");
    let (mut quorum, servers, holder) = held().await;
    begin(&mut quorum, 0, Fault::Killed);
    let (mut waiting, mut numbers) = (Vec::new(), Vec::new());
    for count in 1..=LABELS.len() {
        waiting.push(acquire(client(quorum.url()).await, options().label(LABELS[count - 1])));
        numbers = until_agreed(&servers[1..], &LABELS[..count]).await;
    }
    end(&mut quorum, 0, Fault::Killed);
    assert_eq!(until_agreed(&each_of(&quorum).await, &LABELS).await, numbers);
    have_it_in_order(holder, waiting).await;
}

/// All others have numbers of its clock, too, and it has not.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_reach_a_server_whose_clock_is_behind_keeps_its_place() {
    require!("redis-server", "redis-cli");
    let (mut quorum, servers, holder) = held().await;
    let (networks, url) = networks(&mut quorum);
    let (lock, away) = (client(quorum.url()).await, client(url).await);
    (1..3).for_each(|at| _ = set_ahead(&mut quorum, at));
    networks[0].partition();
    let first = acquire(away, options().label("first"));
    until_agreed(&servers[1..], &["first"]).await;
    let second = acquire(lock, options().label("second"));
    until_in_line(&servers[0], &["second"]).await;
    until_agreed(&servers[1..], &["first", "second"]).await;
    have_it_in_order(holder, vec![first, second]).await;
}

/// When the numbers that a server issues are next to each other, a number that another one was given may be somebody's already.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_on_a_crowd_whose_numbers_are_next_to_each_other() {
    const CROWD: usize = 60;
    require!("redis-server", "redis-cli");
    let (mut quorum, servers, holder) = held().await;
    set_ahead(&mut quorum, 0);
    let mut waiting = tokio::task::JoinSet::new();
    for process in 0..CROWD / 10 {
        let lock = client(quorum.url()).await;
        for task in 0..10 {
            let (lock, options) = (Arc::clone(&lock), options().label(&format!("{process}-{task}")));
            waiting.spawn(async move { lock.acquire(&key(), &options).await.unwrap().release().await.unwrap() });
        }
    }
    until_lines(&servers, |lines| lines.iter().all(|line| line.len() == CROWD && *line == lines[0])).await;
    holder.release().await.unwrap();
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
}
