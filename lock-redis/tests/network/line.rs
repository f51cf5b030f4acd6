//! Nothing arrives any more from who waits.

use std::time::Duration;

use lock_core::{DistributedLockExt, Holder, Moment};
use tests::require;

use crate::site::{Site, acquire, key, options};

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
/// is back first.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_silence_of_the_dead_costs_nobody_its_place() {
    require!("redis-server", "redis-cli");
    let mut site = Site::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let holder = site.near.acquire(&key(), &options().ttl(Duration::from_secs(60))).await.unwrap();
    let first = acquire(&site.far, options().label("first"));
    site.until("one waits", |state| (state.queue.len() == 1).then_some(())).await;
    let second = acquire(&site.near, options().label("second"));
    site.until("two wait", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    site.server.kill();
    tokio::time::sleep(SILENT_HEAD + Duration::from_millis(100)).await;
    site.server.start_again();
    // Before the first one can be heard again, and whether the second one was or not.
    holder.release().await.unwrap();
    let next = site.state().await.holder;
    assert!(matches!(&next, Holder::Lease { owner, .. } if owner.label == "first"), "{next:?}");
    site.network.heal();
    let guard = first.await.unwrap();
    guard.release().await.unwrap();
    second.await.unwrap().release().await.unwrap();
}
