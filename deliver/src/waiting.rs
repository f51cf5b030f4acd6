//! Waiting, without the lock, for what is in the way of a delivery to pass.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use lock_core::Moment;

use crate::{Stop, desktop::Refusal};

/// Hears why a delivery is postponed: once for each thing in the way.
#[derive(Clone)]
pub struct PostponedObserver(Arc<dyn Fn(&Refusal) + Send + Sync>);

impl PostponedObserver {
    /// The observer that `hear` is. It is called from the delivery's thread and must not wait for anything.
    pub fn new(hear: impl Fn(&Refusal) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for PostponedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostponedObserver")
    }
}

/// One wait of a postponed delivery: how long it goes on, and who hears of it.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// When it ends at the latest.
    pub until: Moment,
    /// How often the delivery was tried so far.
    pub attempts: u32,
    stop: Stop,
    abandoned: Arc<AtomicBool>,
    observer: Option<PostponedObserver>,
    told: Arc<Mutex<Option<&'static str>>>,
}

impl Waiting {
    pub(crate) fn new(until: Moment, stop: &Stop, observer: Option<&PostponedObserver>) -> Self {
        let (abandoned, told) = (Arc::default(), Arc::default());
        Self { until, attempts: 0, stop: stop.clone(), abandoned, observer: observer.cloned(), told }
    }

    /// Whether it is to end: its time is over, its sender was asked to stop, or nobody waits for it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.until.is_past() || self.stop.requested().is_some() || self.abandoned.load(Ordering::Relaxed)
    }

    /// Tells what is in the way, unless the last thing told was of the same kind.
    pub fn tell(&self, refusal: &Refusal) {
        let Some(PostponedObserver(hear)) = &self.observer else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.replace(refusal.code()) != Some(refusal.code()) {
            hear(refusal);
        }
    }

    /// Ends the wait when what is returned is dropped.
    pub(crate) fn ends_with(&self) -> impl Drop + use<> {
        Abandon(Arc::clone(&self.abandoned))
    }
}

struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
