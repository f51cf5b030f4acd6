//! MUST 11, re-entry: by secret, through the inner gate, never by guess.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::{sync::Arc, time::Duration};

use super::{Fixture, Harness, fixture::options, loss::believes_until_its_deadline, request};
use crate::{
    AcquireOptions, DistributedLockExt, Entered, Guard, HeldLease, HeldLeases, LossReason, Moment, Request, Secret,
};

fn under(guard: &Guard) -> AcquireOptions {
    options().held(HeldLeases::default().with(guard.share()))
}

pub async fn an_inheritor_works_under_the_lease<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let inherited = f.lock.acquire(&f.key, &under(&outer)).await.expect("inherited");
    assert!(inherited.is_inherited());
    assert_eq!(inherited.token(), outer.token(), "it acts under the lease's token");
    let held = HeldLeases::default().with(outer.share()).with(inherited.share());
    let nested = f.lock.acquire(&f.key, &options().held(held)).await.expect("inherited twice");
    assert_eq!(nested.token(), outer.token());
    nested.release().await.expect("released");
    inherited.release().await.expect("released");
    outer.release().await.expect("released");
}

pub async fn inheritors_exclude_each_other<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let first = f.lock.acquire(&f.key, &under(&outer)).await.expect("inherited");
    let second = f.lock.try_acquire(&f.key, &under(&outer)).await.expect("asked");
    assert!(second.is_none(), "two inheritors at once");
    drop(first);
    assert!(f.lock.try_acquire(&f.key, &under(&outer)).await.expect("asked").is_some());
}

pub async fn a_stale_secret_gives_no_right<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let stale = under(&outer);
    outer.release().await.expect("released");
    let other = f.acquire().await;
    let refused = f.lock.try_acquire(&f.key, &stale).await.expect("asked");
    assert!(refused.is_none(), "worked under a lease that is over");
    drop(other);
    let in_line = f.lock.acquire(&f.key, &stale).await.expect("acquired in line");
    assert!(!in_line.is_inherited());
}

pub async fn a_token_proves_nothing<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let forged = Secret::parse(&format!("{:032x}", outer.token().0)).expect("well formed");
    let forged = HeldLease { secret: forged, ..outer.share() };
    let options = options().held(HeldLeases::default().with(forged));
    assert!(f.lock.try_acquire(&f.key, &options).await.expect("asked").is_none(), "forged from the public token");
}

pub async fn release_waits_for_inheritors<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let inherited = f.lock.acquire(&f.key, &under(&outer)).await.expect("inherited");
    let releasing = tokio::spawn(outer.release());
    let (lock, key) = (Arc::clone(&f.lock), f.key.clone());
    let next = tokio::spawn(async move { lock.acquire(&key, &options()).await });
    f.until_waiting(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!releasing.is_finished() && !next.is_finished(), "released while an inheritor was at work");
    inherited.check().expect("the lease is still held");
    inherited.release().await.expect("released");
    releasing.await.expect("ran").expect("released");
    drop(next.await.expect("ran").expect("the next holds"));
}

pub async fn loss_reaches_inheritors<H: Harness>(f: &Fixture<H>) {
    let outer = f.acquire().await;
    let inherited = f.lock.acquire(&f.key, &under(&outer)).await.expect("inherited");
    f.lock.break_lock(&f.key, outer.token(), false).await.expect("marked");
    assert_eq!(outer.lost().await, LossReason::Broken);
    let told = tokio::time::timeout(Duration::from_secs(5), inherited.lost()).await;
    assert_eq!(told.expect("told in time"), LossReason::ParentLost);
    assert!(inherited.permit().check().is_err());
}

/// The parent is one that nobody renews, as if its process were stopped.
pub async fn an_inheritor_believes_no_longer_than_its_parent_lasts<H: Harness>(f: &Fixture<H>) {
    let ttl = Duration::from_secs(2);
    let secret = Secret::random().expect("a random source");
    let request = Request { ttl, secret_hash: secret.hash(), ..request(1) };
    let Entered::Granted(parent) = f.lock.enter(&f.key, &request).await.expect("asked") else { panic!("it is free") };
    let held = HeldLease { store: f.lock.to_string(), key_stem: f.key.file_stem(), secret };
    let under = options().ttl(ttl * 10).held(HeldLeases::default().with(held));
    let inherited = f.lock.acquire(&f.key, &under).await.expect("inherited");
    assert_eq!(inherited.token(), parent.token);
    let deadline = inherited.deadline().expect("expiring leases have one");
    assert!(deadline < Moment::now() + ttl, "it lasts no longer than its parent");
    assert!(f.harness.cut(), "an expiring backend can be cut off");
    believes_until_its_deadline(&inherited).await;
    assert!(deadline.is_past());
}
