//! Nothing arrives any more from who holds.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLockExt, LossReason, Moment};
use tests::{proxy::Pass, redis_server::with_debug, require};

use crate::site::{Site, key, options};

/// The lease of those that lose it.
const TTL: Duration = Duration::from_secs(4);

/// The lease has ended for its holder before anybody else holds, whatever keeps it from its server. No check passes after that end,
/// however late a busy machine lets the holder hear of it.
async fn loss_comes_before_the_next_grant(mut site: Site, cut: impl FnOnce(&mut Site), heal: impl FnOnce(&mut Site)) {
    let holder = site.far.acquire(&key(), &options().ttl(TTL)).await.unwrap();
    let near = Arc::clone(&site.near);
    let next = tokio::spawn(async move {
        let guard = near.acquire(&key(), &options()).await.unwrap();
        (Moment::now(), guard)
    });
    site.until("the next one waits", |state| (state.queue.len() == 1).then_some(())).await;
    cut(&mut site);
    let watching = tokio::spawn(async move {
        let reason = holder.lost().await;
        let told = Moment::now();
        assert!(holder.check().is_err() && holder.permit().check().is_err());
        (reason, told, holder.deadline().unwrap(), holder.token())
    });
    let (reason, told, deadline, token) = watching.await.unwrap();
    assert_eq!(reason, LossReason::Expired);
    assert!(told >= deadline);
    heal(&mut site);
    let (granted, next) = next.await.unwrap();
    assert!(deadline < granted, "two held for {:?}", deadline - granted);
    assert!(next.token() > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_holder_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    loss_comes_before_the_next_grant(site, |site| site.network.partition(), |site| site.network.heal()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_answers_vanish_renews_no_more() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    // The server hears its renewals; it must not believe in them all the same.
    loss_comes_before_the_next_grant(site, |site| site.network.replies(Pass::Never), |site| site.network.heal()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_on_a_stopped_server_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    loss_comes_before_the_next_grant(site, |site| site.server.process().stop(), |site| site.server.process().go_on())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_on_a_sleeping_server_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::with(&with_debug()).await;
    let mut asleep = None;
    let sleep = |site: &mut Site| {
        let url = site.server.url().replace("redis+unix://", "unix://");
        // Longer than the lease; nothing else is answered meanwhile.
        asleep = Some(std::thread::spawn(move || {
            let mut operator = redis::Client::open(url).unwrap().get_connection().unwrap();
            redis::cmd("DEBUG").arg("SLEEP").arg((TTL + TTL / 4).as_secs()).query::<()>(&mut operator).unwrap();
        }));
    };
    loss_comes_before_the_next_grant(site, sleep, |_| {}).await;
    asleep.unwrap().join().unwrap();
}
