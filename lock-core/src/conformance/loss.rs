//! MUST 7 and 9, loss before expiry, and unknown is not free.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::time::Duration;

use super::{
    Fixture, Harness,
    fixture::{options, until},
};
use crate::{DistributedLockExt, Error, Guard, LossReason, Moment};

pub async fn a_broken_lease_is_signalled<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    f.lock.break_lock(&f.key, guard.token(), false).await.expect("marked");
    assert_eq!(guard.lost().await, LossReason::Broken);
    assert!(matches!(guard.check(), Err(Error::Lost { reason: LossReason::Broken, .. })));
    assert!(guard.permit().check().is_err(), "a permit of a lost lease allows nothing");
}

pub async fn asked_late_the_loss_is_still_told<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    f.lock.break_lock(&f.key, guard.token(), false).await.expect("marked");
    until("the loss", async || guard.check().is_err()).await;
    assert_eq!(guard.lost().await, LossReason::Broken);
}

pub async fn a_release_is_no_loss<H: Harness>(f: &Fixture<H>) {
    let (told, mut losses) = tokio::sync::mpsc::unbounded_channel();
    let observer = crate::Observer::new(move |event| {
        if let crate::LockEvent::Lost { reason, .. } = event {
            told.send(reason.clone()).expect("the case listens");
        }
    });
    let guard = f.lock.acquire(&f.key, &options().observer(observer.clone())).await.expect("acquired");
    guard.release().await.expect("released");
    tokio::time::sleep(f.lock.capabilities().check_every.min(Duration::from_millis(100)) * 2).await;
    drop(observer);
    assert!(losses.try_recv().is_err(), "a released lease was reported lost");
}

pub async fn the_deadline_comes_before_the_lease_can_end<H: Harness>(f: &Fixture<H>) {
    let ttl = Duration::from_secs(2);
    let guard = f.lock.acquire(&f.key, &options().ttl(ttl)).await.expect("acquired");
    let granted = guard.lease().deadline.expect("expiring leases have one");
    assert!(granted < Moment::now() + ttl, "it was asked for before");
    assert!(f.harness.cut(), "an expiring backend can be cut off");
    believes_until_its_deadline(&guard).await;
}

/// No check that begins at the deadline or later says that the lease holds, and its loss is told.
pub(super) async fn believes_until_its_deadline(guard: &Guard) {
    let mut asked_at = Moment::now();
    while guard.check().is_ok() {
        // A renewal that was under way may have prolonged it meanwhile.
        let deadline = guard.deadline().expect("expiring leases have one");
        assert!(asked_at < deadline, "believed {:?} after the deadline", asked_at - deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
        asked_at = Moment::now();
    }
    let _reason = guard.lost().await;
}

pub async fn a_store_that_is_gone_is_told<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    assert!(f.harness.lose_data());
    let reason = guard.lost().await;
    assert!(matches!(reason, LossReason::StoreGone | LossReason::Replaced | LossReason::Expired), "{reason}");
}

pub async fn unknown_is_not_free<H: Harness>(f: &Fixture<H>) {
    if !f.harness.cut() {
        return;
    }
    let outcome = f.lock.acquire(&f.key, &options().timeout(Duration::from_secs(1))).await;
    let error = outcome.expect_err("a lock that cannot be known is not granted");
    assert!(!matches!(error, Error::TimedOut { .. }), "unknown read as locked: {error}");
    let inspected = f.lock.inspect(&f.key).await;
    assert!(inspected.is_err(), "unknown read as {inspected:?}");
}
