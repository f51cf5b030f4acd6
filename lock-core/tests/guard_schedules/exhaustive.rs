//! A lease that is lost while somebody waits, or for two reasons at once: all orders there are.

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

fn lose(watch: &Arc<LeaseWatch>, reason: LossReason) -> thread::JoinHandle<()> {
    let watch = Arc::clone(watch);
    thread::spawn(move || watch.mark_lost(reason))
}

/// One waits for the loss that another one brings.
fn waits() {
    let watch = watch();
    let loss = lose(&watch, LossReason::Broken);
    assert_eq!(block_on(watch.lost()), LossReason::Broken);
    loss.join().unwrap();
}

#[test]
fn whoever_waits_for_a_loss_is_told() {
    let orders = exhaust(waits);
    assert!(orders > 50, "only {orders} orders");
}

#[test]
fn a_waiter_that_registers_late_is_found() {
    let found = found(Mistake::RegistersLate, || {
        exhaust(waits);
    });
    assert!(found.contains("deadlock"), "{found}");
}

#[test]
fn of_two_losses_the_first_one_stays() {
    let orders = exhaust(|| {
        let watch = watch();
        let other = lose(&watch, LossReason::Broken);
        watch.mark_lost(LossReason::Replaced);
        let told = block_on(watch.lost());
        other.join().unwrap();
        assert_eq!(block_on(watch.lost()), told);
    });
    assert!(orders > 50, "only {orders} orders");
}
