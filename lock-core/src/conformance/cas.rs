//! MUST 8 and 10, compare and set, and drop releases.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::{sync::Arc, time::Duration};

use super::{Fixture, Harness, fixture::options};
use crate::{DistributedLockExt, Error, FencingToken, Holder};

pub async fn release_is_idempotent<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let lease = guard.lease().clone();
    guard.release().await.expect("released");
    f.lock.release(&lease).await.expect("released again");
    f.lock.release(&lease).await.expect("and again");
}

pub async fn a_stale_release_does_not_free_the_successor<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let stale = guard.lease().clone();
    guard.release().await.expect("released");
    let successor = f.acquire().await;
    f.lock.release(&stale).await.expect("no error, no effect");
    f.lock.withdraw(&f.key, stale.request).await.expect("no error, no effect");
    assert!(f.lock.try_acquire(&f.key, &options()).await.expect("asked").is_none(), "freed by a stale release");
    assert!(matches!(f.lock.renew(&stale, crate::TTL_DEFAULT).await, Err(Error::Lost { .. })));
    successor.verify().await.expect("the successor still holds");
}

pub async fn break_needs_the_exact_token<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let wrong = FencingToken(guard.token().0 - 1);
    let refused = f.lock.break_lock(&f.key, wrong, false).await;
    assert!(matches!(refused, Err(Error::NotHolder { .. })), "{refused:?}");
    guard.verify().await.expect("untouched");
    let token = guard.token();
    guard.release().await.expect("released");
    let refused = f.lock.break_lock(&f.key, token, false).await;
    assert!(matches!(refused, Err(Error::NotHolder { .. })), "{refused:?}");
}

pub async fn a_broken_lease_is_passed_on_when_its_holder_lets_go<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let (lock, key) = (f.harness.client(), f.key.clone());
    let next = tokio::spawn(async move { lock.acquire(&key, &options()).await.expect("acquired") });
    f.until_waiting(1).await;
    f.lock.break_lock(&f.key, guard.token(), false).await.expect("marked");
    let _reason = guard.lost().await;
    assert!(!next.is_finished(), "granted before the holder let go");
    let token = guard.token();
    drop(guard);
    let next = next.await.expect("held");
    assert!(next.token() > token);
    next.verify().await.expect("the mark was for the lease before");
}

pub async fn drop_releases<H: Harness>(f: &Fixture<H>) {
    drop(f.acquire().await);
    let state = f.lock.inspect(&f.key).await.expect("inspected");
    if !f.lock.capabilities().expires {
        assert_eq!(state.holder, Holder::Free, "the drop of a local lease is done when it returns");
    }
    drop(f.acquire().await);
}

/// The holder's runtime has one thread, and that is blocked right after the drop.
pub async fn drop_releases_while_the_runtime_is_busy<H: Harness>(f: &Fixture<H>) {
    let (lock, key) = (f.harness.client(), f.key.clone());
    let (dropped, wait_for_drop) = std::sync::mpsc::channel();
    let (finish, wait_for_finish) = std::sync::mpsc::channel::<()>();
    let busy = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            drop(lock.acquire(&key, &options()).await.expect("acquired"));
            dropped.send(()).expect("the case listens");
            wait_for_finish.recv_timeout(Duration::from_secs(20)).expect("told to finish");
        });
    });
    super::process::blocking(move || wait_for_drop.recv_timeout(Duration::from_secs(10)).expect("dropped")).await;
    drop(f.acquire().await);
    finish.send(()).expect("the thread waits");
    busy.join().expect("the busy thread");
}

pub async fn drop_releases_outside_a_runtime<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    std::thread::spawn(move || drop(guard)).join().expect("the thread");
    let again = Arc::clone(&f.lock);
    drop(again.acquire(&f.key, &options()).await.expect("acquired"));
}
