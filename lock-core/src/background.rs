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

/// Runs a future on the background runtime.
///
/// # Errors
/// As [`handle`].
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    drop(handle()?.spawn(future));
    Ok(())
}

/// Polls a future where it finds the background runtime, as it would there; it wakes nobody.
///
/// # Errors
/// As [`handle`].
pub(crate) fn poll_once(future: Pin<&mut (dyn Future<Output = ()> + Send)>) -> Result<Poll<()>, Error> {
    let _context = handle()?.enter();
    Ok(future.poll(&mut Context::from_waker(Waker::noop())))
}
