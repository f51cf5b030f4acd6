//! lock-core's own runtime: heartbeats and late releases run here, so they go on when the caller's runtime is busy,
//! blocked, or none.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
};

use crate::{Error, Moment};

static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("talkstick").enable_all().build());

/// How many futures that a drop has left here have not ended yet.
static LEFT_BY_DROPS: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// Counts one of them while it lives, also when its future panics.
struct LeftByDrop;

/// The background runtime: one thread, started at first use.
///
/// # Errors
/// The system gave no thread or no event queue.
pub fn handle() -> Result<&'static Handle, Error> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(e) => Err(Error::Config(format!("cannot start the background thread: {e}"))),
    }
}

/// Sleeps until `moment` on the background runtime's timer, so that callers need no tokio runtime of their own.
///
/// # Errors
/// As [`handle`].
pub async fn sleep_until(moment: Moment) -> Result<(), Error> {
    let sleep = {
        let _context = handle()?.enter();
        tokio::time::sleep(moment.remaining())
    };
    sleep.await;
    Ok(())
}

/// Runs a future on the background runtime.
///
/// # Errors
/// As [`handle`].
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    drop(handle()?.spawn(future));
    Ok(())
}

/// Runs a future that a drop has left; [`drained`] waits for its end.
///
/// # Errors
/// As [`handle`].
pub(crate) fn carry_on(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let counted = LeftByDrop::new();
    spawn(async move {
        future.await;
        drop(counted);
    })
}

/// Waits until all has ended that drops have begun here: releases of guards, and withdrawals of requests. `false` when
/// `until` came first.
///
/// A drop cannot wait for a store that answers by messages. A process that ends right behind one leaves the lease to its end
/// and the ticket to its silence, unless it waits here first; with a bound, for the store may be away.
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn drained(until: Moment) -> bool {
    let mut left = LEFT_BY_DROPS.subscribe();
    tokio::select! {
        biased;
        _none = left.wait_for(|left| *left == 0) => true,
        _past = sleep_until(until) => false,
    }
}

/// Whether [`drained`] has nothing to wait for now. Starts no runtime.
#[must_use]
pub fn is_drained() -> bool {
    *LEFT_BY_DROPS.borrow() == 0
}

impl LeftByDrop {
    fn new() -> Self {
        LEFT_BY_DROPS.send_modify(|left| *left += 1);
        Self
    }
}

impl Drop for LeftByDrop {
    fn drop(&mut self) {
        LEFT_BY_DROPS.send_modify(|left| *left -= 1);
    }
}

/// Polls a future where it finds the background runtime, as it would there; it wakes nobody. Without the budget of the task that
/// it may be in: a future that is put off for that is behind what its task does next.
///
/// # Errors
/// As [`handle`].
pub(crate) fn poll_once(future: Pin<&mut (dyn Future<Output = ()> + Send)>) -> Result<Poll<()>, Error> {
    let _context = handle()?.enter();
    let polled = pin!(tokio::task::unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()));
    Ok(polled)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_a_drop_has_left_is_waited_for() {
        let (goes_on, told) = tokio::sync::oneshot::channel::<()>();
        carry_on(async move {
            let _told = told.await;
        })
        .unwrap();
        assert!(!drained(Moment::now()).await, "it has not ended");
        goes_on.send(()).unwrap();
        assert!(drained(Moment::now() + Duration::from_secs(20)).await);
    }

    /// A drop in a task that has used up its budget sends its release before the task's next request all the same.
    #[tokio::test]
    async fn what_a_drop_does_is_not_put_off_for_the_budget_of_its_task() {
        let used_up =
            || std::pin::pin!(tokio::task::coop::consume_budget()).poll(&mut Context::from_waker(Waker::noop()));
        while used_up().is_ready() {}
        let mut future = Box::pin(tokio::task::coop::consume_budget()) as Pin<Box<dyn Future<Output = ()> + Send>>;
        assert!(poll_once(future.as_mut()).unwrap().is_ready());
    }

    #[tokio::test]
    async fn what_a_drop_has_left_is_over_when_it_panics() {
        carry_on(async { panic!("on purpose") }).unwrap();
        assert!(drained(Moment::now() + Duration::from_secs(20)).await);
    }
}
