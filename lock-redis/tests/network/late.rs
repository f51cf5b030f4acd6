//! What was sent comes after it was given up.

use std::sync::Arc;

use lock_core::{DistributedLockExt, Error, FencingToken, Holder, LossReason};
use tests::{
    probe::{READY_WITHIN, until},
    proxy::Pass,
    require,
};

use crate::site::{Site, acquire, is_held, key, options};

/// Lets what was held back come to the server, and waits until that has run it.
fn let_arrive(site: &Site) {
    let scripts = || site.server.calls("evalsha");
    let before = scripts();
    site.network.requests_of_open_ones(Pass::Now);
    until(READY_WITHIN, "the late one has come", || scripts() > before);
}

/// A closed connection's bytes are still sent on when the network is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_request_that_was_released_meanwhile_holds_nothing() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    site.network.requests_of_open_ones(Pass::Later);
    let asks = acquire(&site.far, options());
    site.network.hang_up();
    // Asked again over another connection.
    asks.await.unwrap().release().await.unwrap();
    let_arrive(&site);
    assert_eq!(site.state().await.holder, Holder::Free);
    assert!(site.near.try_acquire(&key(), &options()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_request_that_was_withdrawn_meanwhile_stands_nowhere() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    site.network.requests_of_open_ones(Pass::Later);
    let waits = acquire(&site.far, options());
    site.network.hang_up();
    site.until("it is in line", |state| (state.queue.len() == 1).then_some(())).await;
    waits.abort();
    site.until("it has left the line", |state| state.queue.is_empty().then_some(())).await;
    let_arrive(&site);
    assert_eq!(site.state().await.queue, []);
    holder.release().await.unwrap();
    assert_eq!(site.state().await.holder, Holder::Free);
}

/// The first copy is run, its answer is lost and the second copy is under way, when the lease is broken: it is over, and nobody
/// acts under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_broken_before_its_taker_knew_of_it_is_not_had() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    site.network.requests(Pass::Later);
    site.network.requests_of_open_ones(Pass::Now);
    site.network.replies_of_open_ones(Pass::ThenReset(0));
    let asks = {
        let far = Arc::clone(&site.far);
        tokio::spawn(async move { far.acquire(&key(), &options()).await })
    };
    let token = site.until("the server has granted", is_held).await;
    site.near.break_lock(&key(), FencingToken(token), false).await.unwrap();
    site.network.requests(Pass::Now);
    let refusal = asks.await.unwrap().unwrap_err();
    let reason = match refusal {
        Error::Lost { reason, token: lost, .. } if lost.0 == token => reason,
        other => panic!("not lost: {other}"),
    };
    assert_eq!(reason, LossReason::Broken);
    // It is given back, and not left to its end.
    site.until("the lease is over", |state| (state.holder == Holder::Free).then_some(())).await;
}
