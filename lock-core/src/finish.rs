//! Futures run from places that cannot wait.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::background;

/// Runs a future to its end from a place that cannot wait, such as a drop: here and now if it never waits, else on the
/// background runtime.
///
/// Backends on files finish here and now, so their lock is free when the drop returns, also right before a process exits.
/// For the others, who is about to exit waits for [`background::drained`].
pub(crate) fn finish(future: impl Future<Output = ()> + Send + 'static) {
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    let run = match background::poll_once(future.as_mut()) {
        Ok(Poll::Ready(())) => Ok(()),
        // Polled again by its new task at once, which replaces the waker that woke nobody.
        Ok(Poll::Pending) => background::carry_on(future),
        Err(error) => Err(error),
    };
    if let Err(error) = run {
        tracing::error!(%error, "a release could not be run");
    }
}

/// The result of a future that does not wait; `None` if it would.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
