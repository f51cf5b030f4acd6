//! A backend whose messages take their time, get lost, and arrive though nobody waits for the answer any more.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use shuttle::rand::{Rng, thread_rng};
use tokio::sync::Notify;

use crate::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, Holder, KeyState, Lease, LockKey, LossReason, Moment,
    Operation, ParentLease, Place, Renewed, Request, RequestId, SecretHash, Ticket, Waited, clock,
    line::Line,
    mistake::Mistake,
    sync::{AtomicU64, Mutex, Ordering},
};

/// How long before the end of a lease its holder's deadline is.
const MARGIN: Duration = Duration::from_millis(500);

/// For how many steps of others a message is under way, at most.
const SLOWNESS_MAX: u32 = 4;

/// How often a lease is checked.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a client waits for an answer: longer than a lease lives.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the store is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// Leases end by themselves.
    pub(crate) expires: bool,
    /// Of ten messages that may be lost, so many are.
    pub(crate) lost_of_ten: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    nature: Nature,
    lines: Mutex<Vec<(LockKey, Line)>>,
    changed: Notify,
    under_way: AtomicU64,
}

/// What a message meets.
enum Fate {
    Arrives,
    /// It arrives, and its answer does not.
    Unanswered,
    /// It does not arrive, and the sender learns that.
    Refused,
    /// It does not arrive, and the sender waits for as long as its patience lasts.
    Swallowed,
}

impl Store {
    pub(crate) fn new(nature: Nature) -> Self {
        let under_way = AtomicU64::new(0);
        Self(Arc::new(Inner { nature, lines: Mutex::default(), changed: Notify::new(), under_way }))
    }

    pub(crate) fn nature(&self) -> Nature {
        self.0.nature
    }

    pub(crate) fn as_lock(&self) -> Arc<dyn DistributedLock> {
        Arc::new(self.clone())
    }

    /// One step at the store.
    pub(crate) fn at<T>(&self, key: &LockKey, act: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.0.lines.lock().unwrap();
        let index = lines.iter().position(|(of, _)| of == key).unwrap_or_else(|| {
            lines.push((key.clone(), Line::default()));
            lines.len() - 1
        });
        let line = &mut lines[index].1;
        let before = line.changes;
        line.settle();
        let answer = act(line);
        if line.changes != before {
            self.0.changed.notify_waiters();
        }
        answer
    }

    /// Waits until the line is as it should be.
    pub(crate) async fn until(&self, key: &LockKey, is: impl Fn(&Line) -> bool) {
        while !self.at(key, |line| is(line)) {
            self.change(key, None, &is).await;
        }
    }

    /// Waits until `is` may have become true, or until `until`.
    async fn change(&self, key: &LockKey, until: Option<Moment>, is: impl Fn(&Line) -> bool) {
        let changed = self.0.changed.notified();
        let (already, end) = self.at(key, |line| (is(line), line.end_of_lease()));
        if already {
            return;
        }
        match end.into_iter().chain(until).min() {
            Some(moment) => {
                tokio::select! { biased; () = changed => {}, () = clock::sleep_until(moment) => {} }
            }
            None => changed.await,
        }
    }

    /// Waits until no message is under way.
    pub(crate) async fn is_quiet(&self) {
        while self.0.under_way.load(Ordering::Acquire) > 0 {
            shuttle::future::yield_now().await;
        }
    }

    /// Sends a message and gives its answer; the message goes on its way alone.
    async fn send<T: Send + 'static>(
        &self,
        key: &LockKey,
        operation: Operation,
        fate: Fate,
        act: impl FnOnce(&mut Line) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let source = Arc::new(std::io::Error::other("not reachable"));
        let unknown = Error::Store { key: key.to_string(), operation, store: self.to_string(), source };
        if thread_rng().gen_range(0..2) == 0 && matches!(fate, Fate::Arrives) {
            return Ok(self.at(key, act));
        }
        let (store, key) = (self.clone(), key.clone());
        self.0.under_way.fetch_add(1, Ordering::AcqRel);
        let answer = shuttle::future::spawn(async move {
            travel().await;
            let arrived = matches!(fate, Fate::Arrives | Fate::Unanswered).then(|| store.at(&key, act));
            store.0.under_way.fetch_sub(1, Ordering::AcqRel);
            travel().await;
            if matches!(fate, Fate::Swallowed) {
                clock::sleep_until(Moment::now() + PATIENCE).await;
            }
            arrived.filter(|_| matches!(fate, Fate::Arrives))
        });
        answer.await.expect("not aborted").ok_or(unknown)
    }

    fn fate(&self) -> Fate {
        if thread_rng().gen_range(0..10) >= self.0.nature.lost_of_ten {
            return Fate::Arrives;
        }
        match thread_rng().gen_range(0..3) {
            0 => Fate::Unanswered,
            1 => Fate::Refused,
            _ => Fate::Swallowed,
        }
    }

    /// How long a lease lives from now on, and its holder's deadline if it asked at `sent`.
    fn life(&self, ttl: Duration) -> Option<Duration> {
        self.0.nature.expires.then_some(ttl)
    }

    fn deadline(&self, sent: Moment, ttl: Duration) -> Option<Moment> {
        let from = if Mistake::DeadlineFromAnswer.is_made() { Moment::now() + MARGIN } else { sent };
        self.life(ttl).map(|ttl| from + (ttl - MARGIN))
    }

    fn lease(&self, key: &LockKey, request: &Request, token: FencingToken, sent: Moment) -> Lease {
        let (key, owner) = (key.clone(), request.owner.clone());
        let deadline = self.deadline(sent, request.ttl);
        Lease { key, request: request.id, token, owner, ticket: 1, deadline, liveness: None }
    }
}

async fn travel() {
    for _ in 0..thread_rng().gen_range(0..=SLOWNESS_MAX) {
        shuttle::future::yield_now().await;
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slow:")
    }
}

#[async_trait]
impl DistributedLock for Store {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: self.0.nature.expires,
            cross_process: true,
            cross_host: true,
            ordered: true,
            proves_death: false,
            check_every: CHECK_EVERY,
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        let sent = Moment::now();
        let (asked, life) = (request.clone(), self.life(request.ttl));
        let answer = self.send(key, Operation::Enter, self.fate(), move |line| line.enter(asked, life)).await?;
        Ok(match answer {
            Ok(token) => Entered::Granted(self.lease(key, request, token, sent)),
            Err(ahead) => Entered::Queued(Ticket { key: key.clone(), request: request.id, number: 1 }, Place { ahead }),
        })
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        let (key, id) = (&ticket.key, ticket.request);
        loop {
            let sent = Moment::now();
            if self.at(key, |line| line.is_offered_to(id)) {
                let expires = self.0.nature.expires;
                let taken = self.send(key, Operation::Wait, self.fate(), move |line| line.take_up(id, expires)).await?;
                if let Some((request, token)) = taken {
                    return Ok(Waited::Granted(self.lease(key, &request, token, sent)));
                }
            }
            if until.is_past() {
                return Ok(Waited::Queued(Place { ahead: 0 }));
            }
            self.at(key, |line| line.come_back(id));
            self.change(key, Some(until), |line| line.is_offered_to(id)).await;
        }
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        if Mistake::NothingIsWithdrawn.is_made() {
            return Ok(());
        }
        self.send(key, Operation::Withdraw, Fate::Arrives, move |line| line.withdraw(request)).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error> {
        let sent = Moment::now();
        self.at(&lease.key, |line| line.record.get_mut(&lease.token).unwrap().renewals += 1);
        let (held, life) = (lease.clone(), self.life(ttl));
        let renewed = self.send(&lease.key, Operation::Renew, self.fate(), move |line| line.renew(&held, life)).await?;
        let lost = |reason: LossReason| Error::Lost { key: lease.key.clone(), token: lease.token, reason };
        renewed.map_err(lost)?;
        Ok(Renewed { deadline: self.deadline(sent, ttl) })
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.at(&lease.key, |line| line.record.get_mut(&lease.token).unwrap().note_release());
        let held = lease.clone();
        self.send(&lease.key, Operation::Release, Fate::Arrives, move |line| line.release(&held)).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        let last_token = self.at(key, |line| line.last_token);
        Ok(KeyState { key: key.clone(), holder: Holder::Unknown, queue: Vec::new(), last_token })
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        let sent = Moment::now();
        let held = self.send(key, Operation::Inspect, self.fate(), move |line| line.held_under(secret)).await?;
        let deadline = |left: Duration| sent + left.saturating_sub(MARGIN);
        Ok(held.map(|(token, left)| ParentLease { token, deadline: left.map(deadline) }))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, _kill: bool) -> Result<(), Error> {
        self.at(key, |line| line.mark_broken(token));
        Ok(())
    }
}
