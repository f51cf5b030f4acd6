//! The heartbeat falls asleep without a lease, and is called for the next one.

use shuttle::rand::{Rng, thread_rng};

use crate::{
    AcquireOptions, DistributedLock as _,
    holding::{acquired, key, let_go},
    mistake::Mistake,
    schedules::{explore, found},
    store::{Nature, Store},
    witness::{heartbeat_sleeps, released},
};

/// Two leases one after the other, each told of its loss by nobody but the heartbeat.
async fn story(nature: Nature) {
    let store = Store::new(nature);
    for _ in 0..2 {
        let guard = acquired(&store, &AcquireOptions::default()).await;
        let token = guard.token();
        store.break_lock(&key(), token, false).await.unwrap();
        guard.lost().await;
        let_go(guard).await;
        released(&store, (&key(), token)).await;
        if thread_rng().gen_range(0..2) == 0 {
            heartbeat_sleeps(&store).await;
        }
    }
}

const EXPIRING: Nature = Nature { expires: true, lost_of_ten: 3 };
const LASTING: Nature = Nature { expires: false, lost_of_ten: 0 };

#[test]
fn the_heartbeat_falls_asleep_and_is_called_again() {
    explore(|| story(EXPIRING));
    explore(|| story(LASTING));
}

#[test]
fn a_heartbeat_that_is_not_called_is_found() {
    let found = found(Mistake::HeartbeatIsNotCalled, || explore(|| story(LASTING)));
    assert!(found.contains("deadlock") || found.contains("max_steps"), "{found}");
}
