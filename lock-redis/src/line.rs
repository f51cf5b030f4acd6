//! The waiters of this client: who of them is due to be heard of, and what the server last said of each.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lock_core::{FencingToken, Lease, LockKey, Moment, Place, Request, RequestId, Sweep};
use tokio::sync::Notify;

/// The longest silence of a waiter. The server takes one that would be next for dead after 2 s, and a lost wake-up costs
/// one pause.
const PAUSE_MAX: Duration = Duration::from_millis(600);

/// Requests of this client that stand in line, or may.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiters: Mutex<HashMap<RequestId, Arc<Waiter>>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) key: LockKey,
    pub(crate) request: Request,
    /// Rung when there is something to see: a wake-up, an answer that another waiter has fetched.
    pub(crate) ring: Notify,
    /// How often it was sent and not answered: each of these copies may come yet.
    unanswered: AtomicU32,
    news: Mutex<News>,
}

/// What is known of a waiter.
#[derive(Debug)]
pub(crate) struct News {
    /// Its ticket's number.
    pub(crate) number: u64,
    /// Its place when the server last said so.
    pub(crate) place: Place,
    /// When the server is to hear of it.
    pub(crate) due: Moment,
    /// How long the pause before that is.
    pause: Duration,
    /// A call to `wait` listens. Who does not is not spoken for.
    pub(crate) waits: bool,
    /// The lease that was taken up for it.
    pub(crate) lease: Option<Lease>,
    /// The token of a lease that was broken before it was taken up.
    pub(crate) broken: Option<FencingToken>,
    /// The server knows it no more.
    pub(crate) missing: bool,
    /// Since when the server could not be asked.
    pub(crate) failing_since: Option<Moment>,
}

impl Line {
    fn waiters(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the request is sent: a wake-up may come before its answer is read.
    /// `sent_unseen`: what carries it may send copies of its own.
    pub(crate) fn add(&self, key: &LockKey, request: &Request, sweep: Sweep, sent_unseen: bool) -> Arc<Waiter> {
        let pause = sweep.first.min(PAUSE_MAX);
        let news = News {
            number: 0,
            place: Place { ahead: 0 },
            due: Moment::now() + pause,
            pause,
            waits: false,
            lease: None,
            broken: None,
            missing: false,
            failing_since: None,
        };
        let (key, request) = (key.clone(), request.clone());
        let unanswered = AtomicU32::new(sent_unseen.into());
        let waiter = Arc::new(Waiter { key, ring: Notify::new(), unanswered, news: Mutex::new(news), request });
        self.waiters().insert(waiter.request.id, Arc::clone(&waiter));
        waiter
    }

    pub(crate) fn remove(&self, request: RequestId) {
        self.waiters().remove(&request);
    }

    pub(crate) fn get(&self, request: RequestId) -> Option<Arc<Waiter>> {
        self.waiters().get(&request).cloned()
    }

    /// Wakes the waiter that a message names.
    pub(crate) fn wake(&self, message: &[u8]) {
        let named = std::str::from_utf8(message).ok().and_then(|text| u128::from_str_radix(text, 16).ok());
        // One that has left meanwhile has withdrawn, which passes the lease on.
        if let Some(waiter) = named.and_then(|id| self.get(RequestId(id))) {
            waiter.news().due = Moment::now();
            waiter.ring.notify_one();
        }
    }

    /// Has everybody look for themselves.
    pub(crate) fn wake_all(&self) {
        for waiter in self.waiters().values() {
            waiter.news().due = Moment::now();
            waiter.ring.notify_one();
        }
    }

    /// Those who are due, or will be within half a pause, by key; the caller speaks for them now, so nobody else will.
    pub(crate) fn take_due(&self, sweep: Sweep) -> Vec<Vec<Arc<Waiter>>> {
        let now = Moment::now();
        let mut by_key: HashMap<LockKey, Vec<Arc<Waiter>>> = HashMap::new();
        for waiter in self.waiters().values() {
            let mut news = waiter.news();
            if news.waits && news.lease.is_none() && !news.missing && news.due <= now + news.pause / 2 {
                news.pause = news.pause.mul_f64(sweep.factor.max(1.0)).min(sweep.max).min(PAUSE_MAX);
                news.due = now + news.pause;
                by_key.entry(waiter.key.clone()).or_default().push(Arc::clone(waiter));
            }
        }
        by_key.into_values().collect()
    }
}

impl Waiter {
    /// Counts a sending; gives whether an earlier copy of it may come yet.
    pub(crate) fn count_sending(&self) -> bool {
        self.unanswered.fetch_add(1, Ordering::Relaxed) > 0
    }

    /// The one that was sent last is answered.
    pub(crate) fn count_answer(&self) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the waiter as listening until the mark is dropped.
    pub(crate) fn listen(self: &Arc<Self>) -> Listening {
        self.news().waits = true;
        Listening(Arc::clone(self))
    }
}

/// A call to `wait` listens.
pub(crate) struct Listening(Arc<Waiter>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.news().waits = false;
    }
}
