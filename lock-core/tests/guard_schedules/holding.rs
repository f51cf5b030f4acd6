//! A guard that several tasks look at, ask of and wait for, while renewals fail, time passes and somebody breaks the lease;
//! then it ends by drop, by release, or by a release that nobody waits for.

use std::sync::Arc;

use shuttle::{
    future::spawn,
    rand::{Rng, thread_rng},
};

use crate::{
    AcquireOptions, DistributedLock as _, DistributedLockExt as _, Guard, LockKey,
    mistake::Mistake,
    schedules::{Count, explore, found, repeats},
    store::{Nature, Store},
    witness::{Witness, released},
};

/// What came up over all schedules.
#[derive(Debug, Clone, Default)]
struct Seen {
    lost: Count,
    kept: Count,
    expired: Count,
    broken: Count,
}

pub(crate) fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

/// The guard, unless the messages for it got lost.
pub(crate) async fn acquired(store: &Store, options: &AcquireOptions) -> Guard {
    loop {
        if let Ok(guard) = store.as_lock().acquire(&key(), options).await {
            return guard;
        }
    }
}

/// Ends it in one of the ways.
pub(crate) async fn let_go(guard: Guard) {
    match thread_rng().gen_range(0..3) {
        0 => drop(guard),
        1 => guard.release().await.unwrap(),
        _ => {
            let mut release = Box::pin(guard.release());
            std::future::poll_fn(|context| {
                let _not_waited_for = release.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
    }
}

async fn story(nature: Nature, seen: Seen) {
    let store = Store::new(nature);
    let witness = Arc::new(Witness::new(acquired(&store, &AcquireOptions::default()).await, &store));
    let token = witness.guard.token();
    let is_broken = thread_rng().gen_range(0..2) == 0;
    let (ends, _) = tokio::sync::watch::channel(false);
    let hearers: Vec<_> = (0..2).map(|_| spawn(hear(Arc::clone(&witness), ends.subscribe(), is_broken))).collect();
    let lookers: Vec<_> = (0..2).map(|asks| spawn(look(Arc::clone(&witness), asks == 1))).collect();
    if is_broken {
        shuttle::future::yield_now().await;
        store.break_lock(&key(), token, false).await.unwrap();
    }
    for looker in lookers {
        looker.await.unwrap();
    }
    ends.send_replace(true);
    for hearer in hearers {
        match hearer.await.unwrap() {
            Some(crate::LossReason::Broken) => seen.broken.up(),
            Some(crate::LossReason::Expired) => seen.expired.up(),
            _ => {}
        }
    }
    if witness.look() {
        seen.kept.up()
    } else {
        seen.lost.up()
    }
    assert!(!is_broken || witness.was_told(), "broken, and nobody was told");
    let_go(Arc::into_inner(witness).unwrap().guard).await;
    released(&store, (&key(), token)).await;
}

/// Waits for the loss: for as long as it takes where it must come, else until the others are done.
async fn hear(
    witness: Arc<Witness>,
    mut ends: tokio::sync::watch::Receiver<bool>,
    must_come: bool,
) -> Option<crate::LossReason> {
    tokio::select! {
        biased;
        reason = witness.hear() => Some(reason),
        _ended = ends.wait_for(|ends| *ends), if !must_come => None,
    }
}

async fn look(witness: Arc<Witness>, asks: bool) {
    for _ in 0..4 {
        if asks {
            witness.ask().await;
        }
        witness.look();
        shuttle::future::yield_now().await;
    }
}

const REDIS_LIKE: Nature = Nature { expires: true, lost_of_ten: 3 };
const FILE_LIKE: Nature = Nature { expires: false, lost_of_ten: 3 };

#[test]
fn a_lease_that_expires_is_told_of_in_time_and_released_once() {
    let seen = Seen::default();
    let seen_there = seen.clone();
    explore(move || story(REDIS_LIKE, seen_there.clone()));
    for count in [&seen.lost, &seen.kept, &seen.expired, &seen.broken] {
        assert!(count.get() > 10, "hardly came up: {seen:?}");
    }
}

#[test]
fn a_lease_that_does_not_expire_is_told_of_and_released_once() {
    let seen = Seen::default();
    let seen_there = seen.clone();
    explore(move || story(FILE_LIKE, seen_there.clone()));
    for count in [&seen.lost, &seen.kept, &seen.broken] {
        assert!(count.get() > 10, "hardly came up: {seen:?}");
    }
    assert_eq!(seen.expired.get(), 0);
}

#[test]
fn the_same_seed_gives_the_same_steps() {
    repeats(|| story(REDIS_LIKE, Seen::default()));
}

fn violation(mistake: Mistake, nature: Nature) -> String {
    found(mistake, || explore(move || story(nature, Seen::default())))
}

#[test]
fn a_deadline_that_counts_from_the_answer_is_found() {
    let found = violation(Mistake::DeadlineFromAnswer, REDIS_LIKE);
    assert!(found.contains("but the lease had ended"), "{found}");
}

#[test]
fn a_loss_that_is_forgotten_is_found() {
    let found = violation(Mistake::LossIsForgotten, REDIS_LIKE);
    assert!(found.contains("it says `held`"), "{found}");
}

#[test]
fn a_release_that_nobody_carries_on_is_found() {
    let found = violation(Mistake::ReleaseIsDropped, FILE_LIKE);
    assert!(found.contains("deadlock") || found.contains("background thread ended"), "{found}");
}

#[test]
fn a_second_release_is_found() {
    let found = violation(Mistake::ReleasesTwice, FILE_LIKE);
    assert!(found.contains("released more than once"), "{found}");
}
