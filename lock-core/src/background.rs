//! lock-core's own runtime: heartbeats and late releases run here, so they go on when the caller's runtime is busy,
//! blocked, or none.

use std::{
    future::Future,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, Moment};

static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("talkstick").enable_all().build());

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

/// Runs a future to its end from a place that cannot wait, such as a drop: here and now if it never waits, else on the
/// background runtime.
///
/// Backends on files finish here and now, so their lock is free when the drop returns, also right before a process exits.
pub(crate) fn finish(future: impl Future<Output = ()> + Send + 'static) {
    let handle = match handle() {
        Ok(handle) => handle,
        Err(error) => return tracing::error!(%error, "a release could not be run"),
    };
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    let first = {
        let _context = handle.enter();
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    if first == Poll::Pending {
        // Polled again by its new task at once, which replaces the waker that woke nobody.
        handle.spawn(future);
    }
}

/// The result of a future that does not wait; `None` if it would.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
