//! The twin of lock-core's `sync`: the scheduler may let others go on before each step.

use std::{
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

pub(crate) use shuttle::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::mistake::Mistake;

/// Where the scheduler may let others go on.
#[derive(Debug, Default)]
pub(crate) struct Step(AtomicBool);

impl Step {
    pub(crate) fn take(&self) {
        self.0.load(Ordering::SeqCst);
    }
}

/// A static that is made anew for each schedule.
pub(crate) struct LazyLock<T: Sync + 'static>(shuttle::lazy_static::Lazy<T>);

impl<T: Sync> LazyLock<T> {
    pub(crate) const fn new(init: fn() -> T) -> Self {
        Self(shuttle::lazy_static::Lazy::new(init))
    }
}

impl<T: Sync> Deref for LazyLock<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: all values of this type are statics.
        unsafe { &*std::ptr::from_ref(self) }.0.get()
    }
}

#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    cell: std::sync::OnceLock<T>,
    step: Step,
    looks: std::sync::atomic::AtomicUsize,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { cell: std::sync::OnceLock::new(), step: Step::default(), looks: Default::default() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.step.take();
        let looks = self.looks.fetch_add(1, Ordering::SeqCst);
        self.cell.get().filter(|_| !(Mistake::LossIsForgotten.is_made() && looks % 2 == 1))
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.step.take();
        self.cell.set(value)
    }
}

/// tokio's own, each of its calls one step.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    notify: tokio::sync::Notify,
    step: Step,
}

/// What waits for a [`Notify`].
pub(crate) struct Notified<'a> {
    of: &'a Notify,
    registered: Option<Pin<Box<tokio::sync::futures::Notified<'a>>>>,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.step.take();
        if !Mistake::HeartbeatIsNotCalled.is_made() {
            self.notify.notify_one();
        }
    }

    pub(crate) fn notify_waiters(&self) {
        self.step.take();
        self.notify.notify_waiters();
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.step.take();
        let registered = (!Mistake::RegistersLate.is_made()).then(|| Box::pin(self.notify.notified()));
        Notified { of: self, registered }
    }
}

impl Notified<'_> {
    pub(crate) fn enable(mut self: Pin<&mut Self>) -> bool {
        self.of.step.take();
        self.registered.as_mut().is_some_and(|registered| registered.as_mut().enable())
    }
}

impl Future for Notified<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.of.step.take();
        let of = self.of;
        self.registered.get_or_insert_with(|| Box::pin(of.notify.notified())).as_mut().poll(context)
    }
}
