//! MUST 2, fencing: tokens of a key grow strictly, whatever happens.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use super::{Fixture, Harness, fixture::options, request};
use crate::{DistributedLockExt, Entered, FencingToken, Holder, Priority, Request};

pub async fn tokens_grow_through_release<H: Harness>(f: &Fixture<H>) {
    let mut last = FencingToken(0);
    for client in [f.harness.client(), f.harness.client()].iter().cycle().take(20) {
        let guard = client.acquire(&f.key, &options()).await.expect("acquired");
        assert!(guard.token() > last, "{} after {last}", guard.token());
        last = guard.token();
        guard.release().await.expect("released");
    }
}

pub async fn tokens_grow_through_a_crash<H: Harness>(f: &Fixture<H>) {
    let mut process = f.process("crashing", Priority::Normal, 1);
    let crashed = process.until_held();
    process.kill();
    let guard = f.acquire().await;
    assert!(guard.token().0 > crashed.token, "{} after {}", guard.token(), crashed.token);
}

pub async fn tokens_respect_the_clients_floor<H: Harness>(f: &Fixture<H>) {
    let floor = FencingToken(1 << 62);
    let request = Request { floor, ..request(1) };
    let Entered::Granted(lease) = f.lock.enter(&f.key, &request).await.expect("entered") else {
        panic!("a free lock is granted")
    };
    assert!(lease.token >= floor);
    f.lock.release(&lease).await.expect("released");
    assert!(f.acquire().await.token() > lease.token);
}

pub async fn tokens_grow_through_loss_of_the_stores_data<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let before = guard.token();
    guard.release().await.expect("released");
    assert!(f.harness.lose_data());
    let guard = f.harness.client().acquire(&f.key, &options()).await.expect("acquired again");
    assert!(guard.token() > before, "{} after {before}", guard.token());
}

pub async fn the_token_comes_with_the_grant<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let state = f.lock.inspect(&f.key).await.expect("inspected");
    let Holder::Lease { token, .. } = state.holder else { panic!("held, but inspect shows {state}") };
    assert_eq!(token, guard.token());
    assert_eq!(state.last_token, guard.token());
}
