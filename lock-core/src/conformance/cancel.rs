//! MUST 6, cancel: a dropped wait leaves no ticket, no lease and no lost wake-up behind.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::{future::Future, task::Poll, time::Duration};

use tokio::sync::mpsc;

use super::{
    Fixture, Harness,
    fixture::{options, until},
};
use crate::{DistributedLockExt, Error, Holder, Priority};

async fn nothing_is_left<H: Harness>(f: &Fixture<H>) {
    until("an empty line and a free lock", async || {
        let state = f.lock.inspect(&f.key).await.expect("inspected");
        state.queue.is_empty() && state.holder == Holder::Free
    })
    .await;
    drop(f.acquire().await);
}

pub async fn a_dropped_wait_leaves_nothing<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let (held, mut order) = mpsc::unbounded_channel();
    let dropped = f.wait_in_line("dropped", Priority::Normal, &held).await;
    let next = f.wait_in_line("next", Priority::Normal, &held).await;
    dropped.abort();
    assert!(dropped.await.is_err(), "it was waiting");
    f.until_waiting(1).await;
    guard.release().await.expect("released");
    next.await.expect("the next holds");
    assert_eq!(order.recv().await.as_deref(), Some("next"));
    nothing_is_left(f).await;
}

/// Drops the acquisition after each number of polls that it can take, on a free and on a held lock.
pub async fn at_every_await_point<H: Harness>(f: &Fixture<H>) {
    for held in [false, true] {
        for polls in 0..8 {
            let guard = if held { Some(f.acquire().await) } else { None };
            {
                let options = options();
                let mut acquiring = std::pin::pin!(f.lock.acquire(&f.key, &options));
                for _ in 0..polls {
                    let poll = std::future::poll_fn(|cx| Poll::Ready(acquiring.as_mut().poll(cx))).await;
                    if poll.is_ready() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            drop(guard);
            nothing_is_left(f).await;
        }
    }
}

/// The release and the drop race: whoever wins, the next in line must hold.
pub async fn with_the_grant_in_flight<H: Harness>(f: &Fixture<H>) {
    for round in 0..40_u32 {
        let guard = f.acquire().await;
        let (held, mut order) = mpsc::unbounded_channel();
        let dropped = f.wait_in_line("dropped", Priority::Normal, &held).await;
        let next = f.wait_in_line("next", Priority::Normal, &held).await;
        let release = tokio::spawn(guard.release());
        for _ in 0..round % 10 {
            tokio::task::yield_now().await;
        }
        dropped.abort();
        // Ends when the task's future is dropped, or has held before that.
        let _aborted_or_done = dropped.await;
        release.await.expect("ran").expect("released");
        next.await.expect("the next holds");
        let first = order.recv().await;
        assert!(matches!(first.as_deref(), Some("dropped" | "next")), "{first:?}");
    }
    nothing_is_left(f).await;
}

pub async fn a_timeout_leaves_nothing<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let brief = options().timeout(Duration::from_millis(30));
    let outcome = f.lock.acquire(&f.key, &brief).await;
    assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");
    f.until_waiting(0).await;
    drop(guard);
    nothing_is_left(f).await;
}
