//! A lease that is lost for two reasons at once while somebody waits and somebody looks: all orders there are.

use std::sync::Arc;

use shuttle::{future::block_on, thread};

use crate::{
    DistributedLock as _, FencingToken, Lease, LossReason, Owner, RequestId, Secret,
    holding::key,
    lease_watch::LeaseWatch,
    mistake::Mistake,
    schedules::{exhaust, found},
    store::{Nature, Store},
};

fn watch() -> Arc<LeaseWatch> {
    let store = Store::new(Nature { expires: true, lost_of_ten: 0 });
    let owner = Owner::current("");
    let (request, token) = (RequestId(1), FencingToken(1));
    let lease = Lease { key: key(), request, token, owner, ticket: 1, deadline: None, liveness: None };
    let ttl = store.capabilities().check_every;
    Arc::new(LeaseWatch::new(store.as_lock(), lease, Secret::random().unwrap(), ttl, Vec::new(), None))
}

/// One waits for the loss, and so many bring it.
fn story(losses: &'static [LossReason]) {
    let watch = watch();
    let losses = losses.iter().map(|reason| {
        let watch = Arc::clone(&watch);
        thread::spawn(move || watch.mark_lost(reason.clone()))
    });
    let losses: Vec<_> = losses.collect();
    let told = block_on(watch.lost());
    for loss in losses {
        loss.join().unwrap();
    }
    assert_eq!(block_on(watch.lost()), told, "the first reason stays");
}

#[test]
fn whoever_waits_for_a_loss_is_told_of_the_first_one() {
    let orders = exhaust(|| story(&[LossReason::Broken, LossReason::Replaced]));
    assert!(orders > 1000, "only {orders} orders");
}

#[test]
fn a_waiter_that_registers_late_is_found() {
    let found = found(Mistake::RegistersLate, || {
        exhaust(|| story(&[LossReason::Broken]));
    });
    assert!(found.contains("deadlock"), "{found}");
}
