//! The lines of the servers, and how they come to agree.

use std::sync::Arc;

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, Moment, Waiter};
use tests::{probe::READY_WITHIN, proxy::Pass, redis_quorum::RedisQuorum, require};

use crate::site::{Fault, begin, client, end, hold, key, networks, of_one, options};

const LABELS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

/// Waits until those of these labels stand in a server's line, in this order; gives their numbers.
async fn until_in_line(server: &Arc<dyn DistributedLock>, labels: &[&str]) -> Vec<u64> {
    let deadline = Moment::now() + READY_WITHIN;
    loop {
        let queue = server.inspect(&key()).await.unwrap().queue;
        if queue.iter().map(|waiter| waiter.owner.label.as_str()).eq(labels.iter().copied()) {
            return queue.iter().map(|Waiter { ticket, .. }| *ticket).collect();
        }
        assert!(!deadline.is_past(), "{labels:?} are to wait: {queue:?}");
        tokio::task::yield_now().await;
    }
}

fn acquire(lock: Arc<dyn DistributedLock>, options: AcquireOptions) -> tokio::task::JoinHandle<Guard> {
    tokio::spawn(async move { lock.acquire(&key(), &options).await.unwrap() })
}

/// Who came at the same moment stands in another order on each server, and would split the votes at each handover.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_whatever_the_order_in_which_requests_have_reached_them() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (networks, url) = networks(&mut quorum);
    let (late, prompt) = (client(url).await, client(quorum.url()).await);
    let servers = [of_one(&quorum, 0).await, of_one(&quorum, 1).await, of_one(&quorum, 2).await];
    let holder = hold(&prompt).await;
    networks[0].requests(Pass::Later);
    let second = acquire(late, options().label("second"));
    for server in &servers[1..] {
        until_in_line(server, &["second"]).await;
    }
    let first = acquire(prompt, options().label("first"));
    until_in_line(&servers[0], &["first"]).await;
    networks[0].requests(Pass::Now);
    let numbers = until_in_line(&servers[0], &["first", "second"]).await;
    for server in &servers[1..] {
        let deadline = Moment::now() + READY_WITHIN;
        while until_in_line(server, &["first", "second"]).await != numbers {
            assert!(!deadline.is_past(), "not under the numbers of the first server: {numbers:?}");
        }
    }
    holder.release().await.unwrap();
    let first = first.await.unwrap();
    assert!(!second.is_finished());
    first.release().await.unwrap();
    second.await.unwrap().release().await.unwrap();
}

/// A clock behind that of the first server: what it has issued is no number of the past there.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_on_servers_whose_clocks_differ_by_seconds() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let lock = client(quorum.url()).await;
    let servers = [of_one(&quorum, 0).await, of_one(&quorum, 1).await, of_one(&quorum, 2).await];
    let holder = hold(&lock).await;
    // As a clock that is ahead would have it: the next number is above what others call now.
    let ahead = lock_core::wall_clock_us() + 20_000_000;
    quorum.server(0).tell(&["HSET", "talkstick:{k}:lock", "number_last", &ahead.to_string()]);
    let mut waiting = Vec::new();
    for label in ["first", "second"] {
        waiting.push(acquire(client(quorum.url()).await, options().label(label)));
        let labels = &["first", "second"][..waiting.len()];
        for server in &servers {
            until_in_line(server, labels).await;
        }
    }
    for server in &servers {
        let deadline = Moment::now() + READY_WITHIN;
        while until_in_line(server, &["first", "second"]).await != [ahead + 1, ahead + 2] {
            assert!(!deadline.is_past(), "not under the numbers of the first server");
        }
    }
    // Behind them, although its own clock says an earlier time.
    let last = acquire(of_one(&quorum, 1).await, options().label("last"));
    until_in_line(&servers[1], &["first", "second", "last"]).await;
    last.abort();
    holder.release().await.unwrap();
    for next in waiting {
        next.await.unwrap().release().await.unwrap();
    }
}

/// The numbers of those who wait stay as they were while it was away.
#[tokio::test(flavor = "multi_thread")]
async fn they_agree_with_the_first_server_when_it_is_back_without_its_line() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let lock = client(quorum.url()).await;
    let holder = hold(&lock).await;
    begin(&mut quorum, 0, Fault::Killed);
    let others = [of_one(&quorum, 1).await, of_one(&quorum, 2).await];
    let (mut waiting, mut numbers) = (Vec::new(), Vec::new());
    for count in 1..=LABELS.len() {
        waiting.push(acquire(client(quorum.url()).await, options().label(LABELS[count - 1])));
        numbers = until_in_line(&others[0], &LABELS[..count]).await;
        until_in_line(&others[1], &LABELS[..count]).await;
    }
    end(&mut quorum, 0, Fault::Killed);
    let first = of_one(&quorum, 0).await;
    assert_eq!(until_in_line(&first, &LABELS).await, numbers);
    assert_eq!(until_in_line(&others[1], &LABELS).await, numbers);
    holder.release().await.unwrap();
    for next in waiting {
        next.await.unwrap().release().await.unwrap();
    }
}
