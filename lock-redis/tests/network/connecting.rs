//! Connections are made anew: by one attempt for all who ask, whatever becomes of any of them.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use lock_core::{DistributedLock, KeyState, Moment};
use tests::{probe::READY_WITHIN, proxy::Pass, require};

use crate::site::{Site, key};

/// How many ask at once.
const MANY: usize = 16;

/// Asks a question until it has the network make another connection, and leaves it there.
async fn until_it_connects(site: &Site, mut question: impl Future + Unpin) -> impl Future {
    let (before, deadline) = (site.network.connections_taken(), Moment::now() + READY_WITHIN);
    while site.network.connections_taken() == before {
        assert!(!deadline.is_past(), "it does not connect");
        let over = poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut question).poll(context).is_ready())).await;
        assert!(!over, "it has an answer without a connection");
        tokio::task::yield_now().await;
    }
    question
}

async fn answered(lock: &Arc<dyn DistributedLock>) -> KeyState {
    let within = tokio::time::timeout(READY_WITHIN, lock.inspect(&key())).await;
    within.expect("it waits for somebody else").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_polled_keeps_nobody_from_the_connection() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    site.network.replies(Pass::Never);
    site.network.reset();
    let k = key();
    let left = until_it_connects(&site, site.far.inspect(&k)).await;
    site.network.heal();
    answered(&site.far).await;
    drop(left);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dropped_leaves_its_attempt_to_the_others() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    // A connection takes several answers: none is made before who has asked for it is gone.
    site.network.replies(Pass::After(Duration::from_millis(200)));
    site.network.reset();
    let before = site.network.connections_taken();
    let k = key();
    drop(until_it_connects(&site, site.far.inspect(&k)).await);
    answered(&site.far).await;
    assert_eq!(site.network.connections_taken() - before, 1, "made again for the next one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_waited_for_once_by_all() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let far = site.impatient().await;
    site.network.partition();
    let before = site.network.connections_taken();
    let asking: Vec<_> = (0..MANY)
        .map(|_| {
            let far = Arc::clone(&far);
            tokio::spawn(async move { far.inspect(&key()).await })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap().is_err());
    }
    // One after the other they would make as many as they are.
    let made = site.network.connections_taken() - before;
    assert!(made < MANY / 2, "{made} connections for {MANY} questions");
}
