//! Messages that arrive when the request that sent them has gone on without them.

use std::sync::Arc;

use lock_core::{DistributedLock, Entered, Lease, Moment, Ticket, Waited, conformance::request};
use tests::{
    probe::{READY_WITHIN, until},
    proxy::Pass,
    redis_quorum::RedisQuorum,
    require,
};

use crate::site::{client, field, hold, key, networks, of_one, until_held_by};

async fn wait(lock: Arc<dyn DistributedLock>, ticket: Ticket) -> Lease {
    loop {
        if let Waited::Granted(lease) = lock.wait(&ticket, Moment::now() + READY_WITHIN).await.unwrap() {
            return lease;
        }
    }
}

/// Nothing is renewed meanwhile, which would bring the lease back.
#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_is_given_back_too_late_ends_no_lease() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (networks, url) = networks(&mut quorum);
    let lock = client(url).await;
    // All scripts are known from now on, and what is sent in full gives back.
    hold(&lock).await.release().await.unwrap();
    until(READY_WITHIN, "the first server is free", || field(&mut quorum, 0, "request").is_empty());
    let rivals = [hold(&of_one(&quorum, 1).await).await, hold(&of_one(&quorum, 2).await).await];
    let Entered::Queued(ticket, _) = lock.enter(&key(), &request(1)).await.unwrap() else {
        panic!("one vote of three is no lease")
    };
    until(READY_WITHIN, "the first server has voted", || !field(&mut quorum, 0, "request").is_empty());
    let before = quorum.server(0).calls("eval");
    networks[0].requests_of_open_ones(Pass::Later);
    let waits = tokio::spawn(wait(lock, ticket));
    until(READY_WITHIN, "the vote was given back over another connection", || quorum.server(0).calls("eval") > before);
    for rival in rivals {
        rival.release().await.unwrap();
    }
    let lease = waits.await.unwrap();
    until_held_by(&mut quorum, 0, lease.token);
    let before = quorum.server(0).calls("eval");
    networks[0].requests(Pass::Now);
    until(READY_WITHIN, "the first message arrives", || quorum.server(0).calls("eval") > before);
    assert_eq!(field(&mut quorum, 0, "token"), lease.token.to_string(), "the server is free for another majority");
}
