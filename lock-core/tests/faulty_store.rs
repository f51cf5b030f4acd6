//! What callers see of a store that hangs, that cannot be reached, or whose answer is old when it is read.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{
    fmt,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    AcquireOptions, Capabilities, DistributedLock, DistributedLockExt, Entered, Error, FencingToken, Guard, Holder,
    KeyState, Lease, LockKey, LossReason, Moment, Operation, ParentLease, Renewed, Request, RequestId, SecretHash,
    ThreadLock, Ticket, Waited,
};

/// The thread backend with faults.
#[derive(Debug)]
struct Faulty {
    threads: ThreadLock,
    /// Leases of this key expire so soon and cannot be renewed.
    dying: Option<(LockKey, Duration)>,
    renewals: AtomicUsize,
    renewals_of_dying: AtomicUsize,
    /// Only this key can be entered.
    only: Mutex<Option<LockKey>>,
    /// Neither `inspect` nor `withdraw` answers.
    hangs: AtomicBool,
    /// So many withdrawals do not reach it.
    withdrawals_lost: AtomicUsize,
    /// After the next answer to a renewal, this thread is stopped for so long; others get no answer at all.
    stops: Option<(ThreadId, Duration)>,
    stopped: AtomicBool,
    /// A release takes so long.
    slow: Duration,
    /// Lets go at the next look at its key.
    lets_go: Mutex<Option<Guard>>,
}

impl Faulty {
    fn new() -> Self {
        Self {
            threads: ThreadLock::new(),
            dying: None,
            renewals: AtomicUsize::new(0),
            renewals_of_dying: AtomicUsize::new(0),
            only: Mutex::default(),
            hangs: AtomicBool::new(false),
            withdrawals_lost: AtomicUsize::new(0),
            stops: None,
            stopped: AtomicBool::new(false),
            slow: Duration::ZERO,
            lets_go: Mutex::default(),
        }
    }

    fn with_deadline(&self, mut lease: Lease) -> Lease {
        if let Some((_, life)) = self.dying.as_ref().filter(|(key, _)| *key == lease.key) {
            lease.deadline = Some(Moment::now() + *life);
        }
        lease
    }

    fn unreachable(&self, key: &LockKey, operation: Operation) -> Error {
        let source = Arc::new(std::io::Error::other("not reachable"));
        Error::Store { key: key.to_string(), operation, store: self.to_string(), source }
    }

    async fn hang(&self) {
        if self.hangs.load(Ordering::Acquire) {
            pending::<()>().await;
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty:{}", self.threads)
    }
}

#[async_trait]
impl DistributedLock for Faulty {
    fn capabilities(&self) -> Capabilities {
        Capabilities { expires: self.dying.is_some(), ..self.threads.capabilities() }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        if self.only.lock().unwrap().as_ref().is_some_and(|only| only != key) {
            return Err(self.unreachable(key, Operation::Enter));
        }
        Ok(match self.threads.enter(key, request).await? {
            Entered::Granted(lease) => Entered::Granted(self.with_deadline(lease)),
            queued @ Entered::Queued(..) => queued,
        })
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        self.threads.wait(ticket, until).await
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        self.hang().await;
        let lost = |lost: usize| lost.checked_sub(1);
        if self.withdrawals_lost.fetch_update(Ordering::AcqRel, Ordering::Acquire, lost).is_ok() {
            return Err(self.unreachable(key, Operation::Withdraw));
        }
        self.threads.withdraw(key, request).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error> {
        self.renewals.fetch_add(1, Ordering::AcqRel);
        if self.dying.as_ref().is_some_and(|(key, _)| *key == lease.key) {
            self.renewals_of_dying.fetch_add(1, Ordering::AcqRel);
            return Err(self.unreachable(&lease.key, Operation::Renew));
        }
        if self.stops.is_some_and(|(thread, _)| thread != std::thread::current().id()) {
            pending::<()>().await;
        }
        let answer = self.threads.renew(lease, ttl).await;
        if let Some((_, span)) = self.stops.filter(|_| !self.stopped.swap(true, Ordering::AcqRel)) {
            // Stopped here, and its lease is broken meanwhile.
            self.threads.break_lock(&lease.key, lease.token, false).await?;
            std::thread::sleep(span);
        }
        answer
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        self.threads.release(lease).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        self.hang().await;
        let lets_go = self.lets_go.lock().unwrap().take();
        if let Some(guard) = lets_go {
            guard.release().await?;
        }
        self.threads.inspect(key).await
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        self.threads.held_under(key, secret).await
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error> {
        self.threads.break_lock(key, token, kill).await
    }
}

fn key(name: &str) -> LockKey {
    LockKey::new(name).unwrap()
}

#[tokio::test]
async fn a_store_that_hangs_at_the_timeout_does_not_make_the_wait_longer() {
    let store = Arc::new(Faulty::new());
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let options = AcquireOptions::default();
    let _held = lock.acquire(&key("k"), &options).await.unwrap();
    store.hangs.store(true, Ordering::Release);
    let timeout = options.timeout(Duration::from_millis(20));
    let waited = tokio::time::timeout(Duration::from_secs(20), lock.acquire(&key("k"), &timeout)).await;
    let error = waited.expect("the caller is not held up").expect_err("it is held");
    assert!(matches!(error, Error::Store { operation: Operation::Withdraw, .. }), "{error}");
}

#[tokio::test]
async fn a_withdrawal_that_does_not_reach_the_store_is_tried_again() {
    // Of another key; such a store expires.
    let dying = Some((key("dying"), Duration::from_secs(1)));
    let store = Arc::new(Faulty { dying, withdrawals_lost: AtomicUsize::new(2), ..Faulty::new() });
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let options = AcquireOptions::default();
    let held = lock.acquire(&key("k"), &options).await.unwrap();
    {
        let k = key("k");
        let mut waiting = std::pin::pin!(lock.acquire(&k, &options));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!polled, "it is held");
    }
    assert_eq!(lock.inspect(&key("k")).await.unwrap().queue.len(), 1, "the store was not told");
    held.release().await.unwrap();
    let deadline = Moment::now() + Duration::from_secs(20);
    while lock.inspect(&key("k")).await.unwrap().holder != Holder::Free {
        assert!(!deadline.is_past(), "granted to nobody");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_lease_that_comes_in_the_last_instant_is_taken_and_nobody_is_named_as_their_own_holder() {
    let store = Arc::new(Faulty::new());
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let options = AcquireOptions::default();
    let held = lock.acquire(&key("k"), &options).await.unwrap();
    *store.lets_go.lock().unwrap() = Some(held);
    let guard = lock.acquire(&key("k"), &options.clone().timeout(Duration::from_millis(20))).await.unwrap();
    let error = lock.acquire(&key("k"), &options.timeout(Duration::from_millis(20))).await.expect_err("it is held");
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    guard.release().await.unwrap();
    assert!(lock.inspect(&key("k")).await.unwrap().queue.is_empty());
}

#[tokio::test]
async fn a_lost_lease_is_not_renewed_any_more() {
    let dying = Some((key("dying"), Duration::from_millis(50)));
    let store = Arc::new(Faulty { dying, ..Faulty::new() });
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let options = AcquireOptions::default();
    let lost = lock.acquire(&key("dying"), &options).await.unwrap();
    let _beats_on = lock.acquire(&key("other"), &options).await.unwrap();
    assert_eq!(lost.lost().await, LossReason::Expired);
    let beats = |store: &Faulty| {
        let dying = store.renewals_of_dying.load(Ordering::Acquire);
        (dying, store.renewals.load(Ordering::Acquire) - dying)
    };
    let (before, others) = beats(&store);
    let deadline = Moment::now() + Duration::from_secs(20);
    while beats(&store).1 < others + 10 {
        assert!(!deadline.is_past(), "the heartbeat of the other lease has ended");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let after = beats(&store).0;
    assert!(after <= before + 1, "renewed {} times after its loss", after - before);
}

#[tokio::test]
async fn an_answer_from_before_a_stop_does_not_count_after_it() {
    let store = Faulty::new();
    let stop = store.capabilities().check_every * 3;
    let store = Arc::new(Faulty { stops: Some((std::thread::current().id(), stop)), ..store });
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let guard = lock.acquire(&key("k"), &AcquireOptions::default()).await.unwrap();
    guard.verify().await.unwrap();
    assert!(store.stopped.load(Ordering::Acquire));
    let error = guard.check().expect_err("broken while the process was stopped");
    assert!(matches!(error, Error::Lost { reason: LossReason::Broken, .. }), "{error}");
}

#[tokio::test]
async fn a_shared_lease_whose_inner_gate_fails_is_released_once_that_works_again() {
    let store = Arc::new(Faulty::new());
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let options = AcquireOptions::default();
    let guard = lock.acquire(&key("k"), &options).await.unwrap();
    let _for_a_child = guard.share();
    *store.only.lock().unwrap() = Some(key("k"));
    guard.release().await.expect_err("an inheritor may be at work");
    assert!(lock.try_acquire(&key("k"), &options).await.unwrap().is_none(), "unknown is not free");
    *store.only.lock().unwrap() = None;
    lock.acquire(&key("k"), &options).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_shared_lease_that_was_released_has_left_its_inner_gate() {
    let store = Arc::new(Faulty { slow: Duration::from_millis(50), ..Faulty::new() });
    let lock: Arc<dyn DistributedLock> = Arc::clone(&store) as _;
    let guard = lock.acquire(&key("k"), &AcquireOptions::default()).await.unwrap();
    let _for_a_child = guard.share();
    guard.release().await.unwrap();
    for key in [key("k"), key("k").inner_gate()] {
        let holder = store.threads.inspect(&key).await.unwrap().holder;
        assert!(matches!(holder, Holder::Free), "{key}: {holder:?}");
    }
}
