//! Three ask for one key: one holds it, one gives up at any point, and one stays. Nothing is left of who gave up.

use std::time::Duration;

use shuttle::{
    future::spawn,
    rand::{Rng, thread_rng},
};

use crate::{
    AcquireOptions, DistributedLockExt as _, Error,
    holding::{acquired, key, let_go},
    mistake::Mistake,
    schedules::{Count, explore, found},
    store::{Nature, Store},
    witness::heartbeat_sleeps,
};

/// How the one who gives up fared, over all schedules.
#[derive(Debug, Clone, Default)]
struct Seen {
    cancelled: Count,
    timed_out: Count,
    held: Count,
}

async fn story(nature: Nature, seen: Seen) {
    let store = Store::new(nature);
    let holder = acquired(&store, &AcquireOptions::default()).await;
    let leaver = spawn(leave(store.clone(), seen));
    let stayer = {
        let store = store.clone();
        spawn(async move { let_go(acquired(&store, &AcquireOptions::default().without_timeout()).await).await })
    };
    for _ in 0..thread_rng().gen_range(0..8) {
        shuttle::future::yield_now().await;
    }
    let_go(holder).await;
    leaver.await.unwrap();
    stayer.await.unwrap();
    store.until(&key(), |line| line.is_free()).await;
    heartbeat_sleeps(&store).await;
    store.at(&key(), |line| {
        assert!(line.is_free(), "somebody is left behind: {line:?}");
        assert!(line.record.values().all(|record| record.releases <= 1), "released more than once: {line:?}");
    });
}

/// Asks, and gives up after so many steps of others, or at its timeout.
async fn leave(store: Store, seen: Seen) {
    let (lock, key) = (store.as_lock(), key());
    let options = AcquireOptions::default().timeout(Duration::from_secs(thread_rng().gen_range(0..4)));
    let patience = thread_rng().gen_range(0..30);
    let gives_up = async {
        for _ in 0..patience {
            shuttle::future::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = lock.acquire(&key, &options) => match answer {
            Ok(guard) => {
                seen.held.up();
                let_go(guard).await;
            }
            Err(Error::TimedOut { .. }) => seen.timed_out.up(),
            Err(_unknown) => {}
        },
        () = gives_up => seen.cancelled.up(),
    }
}

/// Leases that end by themselves would hide one that was left behind.
const RELIABLE: Nature = Nature { expires: false, lost_of_ten: 0 };
const LOSING: Nature = Nature { expires: false, lost_of_ten: 2 };
const EXPIRING: Nature = Nature { expires: true, lost_of_ten: 2 };

fn nothing_is_left_behind(nature: Nature) {
    let seen = Seen::default();
    let seen_there = seen.clone();
    explore(move || story(nature, seen_there.clone()));
    for count in [&seen.cancelled, &seen.timed_out, &seen.held] {
        assert!(count.get() > 10, "hardly came up: {seen:?}");
    }
}

#[test]
fn a_cancelled_request_leaves_nothing_behind() {
    nothing_is_left_behind(RELIABLE);
}

#[test]
fn a_cancelled_request_whose_answers_get_lost_leaves_nothing_behind() {
    nothing_is_left_behind(LOSING);
}

#[test]
fn a_cancelled_request_for_leases_that_expire_leaves_nothing_behind() {
    nothing_is_left_behind(EXPIRING);
}

#[test]
fn a_request_that_nobody_withdraws_is_found() {
    let found = found(Mistake::NothingIsWithdrawn, || explore(|| story(RELIABLE, Seen::default())));
    assert!(found.contains("deadlock") || found.contains("max_steps") || found.contains("left behind"), "{found}");
}
