//! One held lease and what is known about its life: deadline, loss, and whether its secret was shared.

use std::{sync::Arc, time::Duration};

use crate::{
    DistributedLock, Error, FencingToken, Lease, LockEvent, LockKey, LossReason, Moment, Observer, Renewed, Secret,
    SecretHash,
    event::emit,
    finish::at_once,
    sync::{AtomicBool, AtomicU64, Notify, OnceLock, Ordering},
};

/// Stands for "no deadline" in [`LeaseWatch::deadline_ns`].
const NEVER: u64 = u64::MAX;

/// Stands for "not known yet" in [`Parent::deadline_ns`].
const UNKNOWN: u64 = 0;

/// A lease that an inherited guard works under. Clones share what is known of its end.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    key: LockKey,
    secret: SecretHash,
    token: FencingToken,
    /// Nanoseconds since boot, as the store has said last. Who works under a lease must not believe beyond its end: when the
    /// store cannot be asked any more, the parent may be stopped, and nobody renews it.
    deadline_ns: Arc<AtomicU64>,
}

impl Parent {
    pub(crate) fn new(key: LockKey, secret: SecretHash, token: FencingToken) -> Self {
        Self { key, secret, token, deadline_ns: Arc::new(AtomicU64::new(UNKNOWN)) }
    }

    /// The store has said until when it lasts. Of two answers the later end counts: that of the first question may come last.
    pub(crate) fn lasts_until(&self, deadline: Option<Moment>) {
        self.deadline_ns.fetch_max(deadline.map_or(NEVER, Moment::since_boot_ns), Ordering::AcqRel);
    }
}

/// A held lease. The guard, its permits and the heartbeat share it.
#[derive(Debug)]
pub(crate) struct LeaseWatch {
    pub(crate) lock: Arc<dyn DistributedLock>,
    pub(crate) lease: Lease,
    pub(crate) secret: Secret,
    pub(crate) ttl: Duration,
    /// The leases it works under, outermost first; empty unless inherited.
    pub(crate) parents: Vec<Parent>,
    pub(crate) observer: Option<Observer>,
    pub(crate) granted_at: Moment,
    /// Set by renewals, read by every check; nanoseconds since boot.
    deadline_ns: AtomicU64,
    /// When the store was last asked before it confirmed the lease; nanoseconds since boot.
    confirmed_ns: AtomicU64,
    /// Set once, before `lost_signal` is rung: who sees the signal finds the reason.
    lost: OnceLock<LossReason>,
    lost_signal: Notify,
    /// The guard has let go: the heartbeat forgets the lease, and what the store says of it is no loss.
    pub(crate) ended: AtomicBool,
    /// A renewal is on its way; a second one would only queue behind a hung server.
    pub(crate) renewing: AtomicBool,
    /// The secret went to a child: the release must wait for the inner gate.
    pub(crate) shared: AtomicBool,
}

impl LeaseWatch {
    pub(crate) fn new(
        lock: Arc<dyn DistributedLock>,
        lease: Lease,
        secret: Secret,
        ttl: Duration,
        parents: Vec<Parent>,
        observer: Option<Observer>,
    ) -> Self {
        let now = Moment::now();
        Self {
            deadline_ns: AtomicU64::new(lease.deadline.map_or(NEVER, Moment::since_boot_ns)),
            confirmed_ns: AtomicU64::new(now.since_boot_ns()),
            granted_at: now,
            lost: OnceLock::new(),
            lost_signal: Notify::new(),
            ended: AtomicBool::new(false),
            renewing: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            lock,
            lease,
            secret,
            ttl,
            parents,
            observer,
        }
    }

    /// The fencing number to act under: for an inherited lease, the outermost one's.
    pub(crate) fn token(&self) -> FencingToken {
        self.parents.first().map_or(self.lease.token, |outermost| outermost.token)
    }

    /// The key to speak of: for an inherited lease, the outermost one's.
    pub(crate) fn key(&self) -> &LockKey {
        self.parents.first().map_or(&self.lease.key, |outermost| &outermost.key)
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let of_parents = self.parents.iter().map(|parent| parent.deadline_ns.load(Ordering::Acquire));
        let own = std::iter::once(self.deadline_ns.load(Ordering::Acquire));
        let deadline_ns = own.chain(of_parents.filter(|ns| *ns != UNKNOWN)).min().unwrap_or(NEVER);
        (deadline_ns != NEVER).then(|| Moment::from_since_boot_ns(deadline_ns))
    }

    /// Marks the lease lost; the first reason stays.
    pub(crate) fn mark_lost(&self, reason: LossReason) {
        if self.ended.load(Ordering::Acquire) || self.lost.set(reason.clone()).is_err() {
            return;
        }
        self.lost_signal.notify_waiters();
        emit(self.observer.as_ref(), LockEvent::Lost { key: self.key().clone(), token: self.token(), reason });
    }

    /// Says that the store could not be asked.
    pub(crate) fn tell_unconfirmed(&self, error: Error) {
        tracing::warn!(%error, source = ?std::error::Error::source(&error), "lease not confirmed");
        emit(self.observer.as_ref(), LockEvent::Unconfirmed { key: self.key().clone(), token: self.token(), error });
    }

    /// Whether nothing is left to renew or to check: the guard has let go, or was told of the loss.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.lost.get().is_some()
    }

    /// Resolves when the lease is lost; never after a release.
    pub(crate) async fn lost(&self) -> LossReason {
        loop {
            let mut rung = std::pin::pin!(self.lost_signal.notified());
            // Registered before the look at the flag: a loss between the two would be missed otherwise.
            rung.as_mut().enable();
            if let Some(reason) = self.lost.get() {
                return reason.clone();
            }
            rung.await;
        }
    }

    /// Whether the lease holds now, as far as can be told without waiting.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_told_and_clock()?;
        // Where leases do not expire, only the store can tell of a loss, and its look at itself does not wait. A process
        // that was stopped since the last look learns it here, before its next act.
        let confirmed = Moment::from_since_boot_ns(self.confirmed_ns.load(Ordering::Acquire));
        let capabilities = self.lock.capabilities();
        if !capabilities.expires && confirmed.elapsed() > capabilities.check_every {
            // An error other than a loss means unknown: the heartbeat goes on looking, and reports it.
            let _unknown_or_confirmed = at_once(self.confirm());
        }
        self.check_told_and_clock()
    }

    /// Whether nobody was told of a loss, and the deadline is still to come.
    pub(crate) fn check_told_and_clock(&self) -> Result<(), Error> {
        if self.lost.get().is_none() && self.deadline().is_some_and(Moment::is_past) {
            self.mark_lost(LossReason::Expired);
        }
        self.lost.get().map_or(Ok(()), |reason| Err(self.lost_error(reason.clone())))
    }

    /// Asks the store whether the lease holds, and takes its new deadline. A lease whose loss was told stays lost, whatever
    /// the store says.
    pub(crate) async fn confirm(&self) -> Result<(), Error> {
        self.check_told_and_clock()?;
        // Before the question: a process that is stopped right after the store's answer must ask again when it runs.
        let asked = Moment::now();
        let answer = match self.renew_with_parents().await {
            Err(Error::Lost { reason, .. }) => {
                self.mark_lost(reason.clone());
                return Err(self.lost_error(reason));
            }
            answer => answer?,
        };
        self.confirmed_ns.fetch_max(asked.since_boot_ns(), Ordering::AcqRel);
        if let Some(deadline) = answer.deadline {
            // The later one: of two renewals, the answer of the first may come last.
            self.deadline_ns.fetch_max(deadline.since_boot_ns(), Ordering::AcqRel);
        }
        // It may have been told while the answer was on its way, or the answer came after the end that it gives.
        self.check_told_and_clock()?;
        if answer.deadline.is_some() {
            emit(self.observer.as_ref(), LockEvent::Renewed { key: self.key().clone(), token: self.token() });
        }
        Ok(())
    }

    async fn renew_with_parents(&self) -> Result<Renewed, Error> {
        let renewed = self.lock.renew(&self.lease, self.ttl).await?;
        for parent in &self.parents {
            match self.lock.held_under(&parent.key, parent.secret).await? {
                Some(now) if now.token == parent.token => parent.lasts_until(now.deadline),
                _ => return Err(self.lost_error(LossReason::ParentLost)),
            }
        }
        Ok(renewed)
    }

    fn lost_error(&self, reason: LossReason) -> Error {
        Error::Lost { key: self.key().clone(), token: self.token(), reason }
    }
}
