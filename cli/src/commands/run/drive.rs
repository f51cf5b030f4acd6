//! Waits for a future of the lock on a thread that also hears signals.

use std::{
    future::Future,
    io,
    ops::ControlFlow,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use lock_core::background;
use rustix::event::{PollFd, PollFlags};

use super::signals::{BELL, SignalPipe, poll_for};

/// What came of a future.
pub(super) enum Driven<T> {
    /// It is done.
    Done(T),
    /// A signal ended the wait; the future was dropped, to its end.
    Interrupted(i32),
}

/// Runs a future to its end. Each signal that arrives meanwhile goes to `on_signal`, which may end the wait.
///
/// # Errors
/// The system's; the future was dropped.
pub(super) fn drive<F>(
    future: F,
    signals: &SignalPipe,
    mut on_signal: impl FnMut(i32) -> io::Result<ControlFlow<()>>,
) -> io::Result<Driven<F::Output>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let handle = background::handle().map_err(io::Error::other)?;
    let mut future = Box::pin(future);
    let first = {
        let _context = handle.enter();
        // A lock that is free costs no change of threads. The waker that wakes nobody is replaced by the task's own.
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    if let Poll::Ready(output) = first {
        return Ok(Driven::Done(output));
    }
    let (done, output) = mpsc::sync_channel(1);
    let bell = signals.bell();
    let task = handle.spawn(async move {
        // The receiver is gone when a signal has ended the wait: what came too late is dropped, a lease is given back.
        let _too_late = done.send(future.await);
        bell.ring();
    });
    let interrupted = loop {
        if let Ok(output) = output.try_recv() {
            return Ok(Driven::Done(output));
        }
        poll_for(&mut [PollFd::new(signals, PollFlags::IN)], None)?;
        match signals.next()? {
            None | Some(BELL) => {}
            Some(signal) if on_signal(signal.into())?.is_break() => break signal.into(),
            Some(_) => {}
        }
    };
    drop(output);
    task.abort();
    // Not before the future is gone has it left the line.
    let _cancelled = handle.block_on(task);
    Ok(Driven::Interrupted(interrupted))
}
