//! Nothing arrives any more from who waits.

use std::time::Duration;

use lock_core::{DistributedLockExt, FencingToken, Holder, Moment};
use tests::require;

use crate::site::{Site, acquire, is_held, key, options};

/// After so long a silence the head of the line is dead (`lua/key.lua`).
const SILENT_HEAD: Duration = Duration::from_secs(2);

/// A waiter that the network cuts off is passed over, and comes back to its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_waiter_holds_nobody_up_and_keeps_its_number() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    let first = acquire(&site.far, options());
    let number = site.until("it is in line", |state| state.queue.first().map(|waiter| waiter.ticket)).await;
    let second = acquire(&site.near, options());
    site.until("both are in line", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    let cut = Moment::now();
    holder.release().await.unwrap();
    let second = second.await.unwrap();
    assert!(cut.elapsed() < Duration::from_secs(5), "two seconds of silence: {:?}", cut.elapsed());
    let third = acquire(&site.near, options());
    site.network.heal();
    site.until("it is back, before the later one", |state| {
        (state.queue.len() == 2 && state.queue[0].ticket == number).then_some(())
    })
    .await;
    second.release().await.unwrap();
    assert_eq!(first.await.unwrap().lease().ticket, number);
    drop(third.await.unwrap());
}

/// Who is not heard of while there is nobody to hear is not silent: the line is the same when the server is back, whoever of it
/// is back first; also when the server is away again before the others are.
#[tokio::test(flavor = "multi_thread")]
async fn outages_longer_than_the_silence_of_the_dead_cost_nobody_its_place() {
    require!("redis-server", "redis-cli");
    let long = SILENT_HEAD + Duration::from_millis(100);
    tokio::join!(
        first_after_outages(long, 1),
        first_after_outages(long, 2),
        first_after_outages(Duration::from_millis(850), 3),
    );
}

/// The first in line has the lock after so many outages, before it can be heard again.
async fn first_after_outages(outage: Duration, count: usize) {
    let mut site = Site::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let holder = site.near.acquire(&key(), &options().ttl(Duration::from_secs(60))).await.unwrap();
    let first = acquire(&site.far, options().label("first"));
    site.until("one waits", |state| (state.queue.len() == 1).then_some(())).await;
    let second = acquire(&site.near, options().label("second"));
    site.until("two wait", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    for _ in 0..count {
        let before = noted(&site);
        site.server.kill();
        tokio::time::sleep(outage).await;
        site.server.start_again();
        site.until("somebody is back", |_| (noted(&site) != before).then_some(())).await;
    }
    holder.release().await.unwrap();
    let next = site.state().await.holder;
    assert!(matches!(&next, Holder::Lease { owner, .. } if owner.label == "first"), "{count} x {outage:?}: {next:?}");
    site.network.heal();
    let guard = first.await.unwrap();
    guard.release().await.unwrap();
    second.await.unwrap().release().await.unwrap();
}

/// When the server last heard of somebody who uses the lock.
fn noted(site: &Site) -> String {
    site.server.tell(&["HGET", "talkstick:{k}:lock", "noted"])
}

/// Has the server's records of the lock age by so much.
fn age(site: &Site, span: Duration) {
    const AGE: &str = "
for _, field in ipairs({ 'noted', 'ends', 'offered' }) do
  local at = tonumber(redis.call('HGET', KEYS[1], field) or '')
  if at then redis.call('HSET', KEYS[1], field, string.format('%.0f', at - ARGV[1])) end
end
local pauses = cjson.decode(redis.call('HGET', KEYS[1], 'pauses') or '[]')
for _, pause in ipairs(pauses) do pause[1], pause[2] = pause[1] - ARGV[1], pause[2] - ARGV[1] end
redis.call('HSET', KEYS[1], 'pauses', cjson.encode(pauses))
for _, request in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('ZINCRBY', KEYS[2], -ARGV[1], request) end
return 'aged'";
    let milliseconds = span.as_millis().to_string();
    let aged = site.server.tell(&["EVAL", AGE, "2", "talkstick:{k}:lock", "talkstick:{k}:heard", &milliseconds]);
    assert_eq!(aged, "aged");
}

/// Several die in line at once with the holder's network; then somebody comes by now and then, and does not wait.
async fn visits_until_the_dead_are_passed_over(pause: Duration) -> usize {
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    let dead: Vec<_> = (0..3).map(|_| acquire(&site.far, options())).collect();
    site.until("all are in line", |state| (state.queue.len() == dead.len()).then_some(())).await;
    site.network.partition();
    holder.release().await.unwrap();
    site.until("it is offered to the first of them", is_held).await;
    let mut visits = 1;
    age(&site, pause);
    while site.near.try_acquire(&key(), &options()).await.unwrap().is_none() {
        visits += 1;
        assert!(visits < 20, "the dead keep the lock");
        age(&site, pause);
    }
    dead.iter().for_each(tokio::task::JoinHandle::abort);
    visits
}

/// That the server heard of nobody may be its own fault, but not for ever: those who come by do not make dead ones live.
#[tokio::test(flavor = "multi_thread")]
async fn the_dead_do_not_keep_the_lock_from_those_who_come_by_now_and_then() {
    require!("redis-server", "redis-cli");
    // Three pauses are the server's own.
    assert_eq!(visits_until_the_dead_are_passed_over(Duration::from_secs(60)).await, 4);
    // 0.9 s is about the shortest pause that may be the server's own; what was heard of less than 2 s before one is excused.
    let visits = visits_until_the_dead_are_passed_over(Duration::from_millis(900)).await;
    assert!(visits <= 9, "{visits}");
}

/// Nobody acts under an offer, so breaking it hands the lock on at once; who was to have it comes back to its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_offer_passes_on_at_once() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    let first = acquire(&site.far, options().label("first"));
    let number = site.until("one waits", |state| state.queue.first().map(|waiter| waiter.ticket)).await;
    let second = acquire(&site.near, options().label("second"));
    site.until("two wait", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    holder.release().await.unwrap();
    let offered = site.until("it is offered to the first", is_held).await;
    site.near.break_lock(&key(), FencingToken(offered), false).await.unwrap();
    let next = site.state().await.holder;
    assert!(matches!(&next, Holder::Lease { owner, .. } if owner.label == "second"), "{next:?}");
    let second = second.await.unwrap();
    site.network.heal();
    site.until("the first is back", |state| (state.queue.len() == 1).then_some(())).await;
    second.verify().await.unwrap();
    second.release().await.unwrap();
    assert_eq!(first.await.unwrap().lease().ticket, number);
}
