//! The twin of lock-core's `background`: its tasks are the scheduler's.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::{Error, Moment, clock, mistake::Mistake};

pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    drop(shuttle::future::spawn(future));
    Ok(())
}

pub(crate) fn carry_on(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    spawn(future)
}

pub(crate) fn poll_once(future: Pin<&mut (dyn Future<Output = ()> + Send)>) -> Result<Poll<()>, Error> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending if Mistake::ReleaseIsDropped.is_made() => Ok(Poll::Ready(())),
        polled => Ok(polled),
    }
}

pub(crate) async fn sleep_until(moment: Moment) -> Result<(), Error> {
    clock::sleep_until(moment).await;
    Ok(())
}
