//! The guard: a lease as Rust holds it, and the permits that it lends.

use std::{fs::File, sync::Arc, time::Duration};

use crate::{
    AcquireOptions, DistributedLock, DistributedLockExt, Error, FencingToken, HeldLease, Lease, LockEvent, LockKey,
    LossReason, Moment, Owner, Priority, background, event::emit, finish::finish, lease_watch::LeaseWatch,
    sync::Ordering,
};

/// How long after a failed look at its inner gate the release of a shared lease is tried again: seldom enough for a store
/// that is out of order.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A held lease. While it lives, nobody else holds the key; dropping it releases. Where the store answers by messages, the
/// drop only begins that: before a process ends it waits for [`background::drained`], or the lease stays to its end.
///
/// The lease is renewed and checked in the background. [`Guard::lost`] resolves, and [`Guard::check`] fails, no later
/// than the instant the lease stops being safe by the local clock that counts suspend.
#[derive(Debug)]
#[must_use = "dropping the guard releases the lock"]
pub struct Guard {
    /// Taken by the release; `None` only inside it and the drop that follows.
    watch: Option<Arc<LeaseWatch>>,
}

/// The right to act under a guard, lent for as long as the guard lives.
///
/// Code that touches an input device takes one: without the lock it does not compile.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'g> {
    watch: &'g Arc<LeaseWatch>,
    /// What has to be held too.
    inner: &'g [Guard],
}

impl Permit<'_> {
    /// Whether the lease holds now, and those of all inner gates. Call it right before each act.
    ///
    /// # Errors
    /// [`Error::Lost`] once one does not.
    pub fn check(&self) -> Result<(), Error> {
        self.watch.check()?;
        self.inner.iter().try_for_each(Guard::check)
    }

    /// The fencing number to act under.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.watch.token()
    }

    /// The number of the ticket that was granted: the order of asking.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.watch.lease.ticket
    }
}

impl Guard {
    pub(crate) fn new(watch: Arc<LeaseWatch>) -> Self {
        Self { watch: Some(watch) }
    }

    fn watch(&self) -> &Arc<LeaseWatch> {
        self.watch.as_ref().unwrap_or_else(|| unreachable!("a guard is not used after its release took it"))
    }

    /// What is locked.
    #[must_use]
    pub fn key(&self) -> &LockKey {
        self.watch().key()
    }

    /// The fencing number to act under. For an inherited lease it is the outermost one's.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.watch().token()
    }

    /// The lease as the backend gave it.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.watch().lease
    }

    /// Who holds it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.lease().owner
    }

    /// The store that the lease is in, without secrets.
    #[must_use]
    pub fn store(&self) -> String {
        self.watch().lock.to_string()
    }

    /// When the lease ends unless renewed, or one that it is inherited from does; `None` where leases end with their holder.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.watch().deadline()
    }

    /// Whether the guard works under a lease of its parent process.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        !self.watch().parents.is_empty()
    }

    /// The file whose kernel lock is the lease, where there is one: who keeps a copy open keeps the lease.
    #[must_use]
    pub fn liveness(&self) -> Option<&Arc<File>> {
        self.lease().liveness.as_ref()
    }

    /// Lends the right to act.
    #[must_use]
    pub fn permit(&self) -> Permit<'_> {
        self.permit_with(&[])
    }

    /// The right to act under this guard and all of `inner`.
    pub(crate) fn permit_with<'g>(&'g self, inner: &'g [Self]) -> Permit<'g> {
        Permit { watch: self.watch(), inner }
    }

    /// Whether the lease holds now, without waiting.
    ///
    /// # Errors
    /// [`Error::Lost`] once it does not.
    pub fn check(&self) -> Result<(), Error> {
        self.watch().check()
    }

    /// Asks the store whether the lease holds.
    ///
    /// # Errors
    /// [`Error::Lost`] when not; any other error means unknown.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn verify(&self) -> Result<(), Error> {
        self.watch().confirm().await
    }

    /// Resolves when the lease is lost.
    ///
    /// # Cancel safety
    /// May be dropped and called again at any point.
    pub async fn lost(&self) -> LossReason {
        self.watch().lost().await
    }

    /// What a child needs to work under this lease. From now on the release waits until no inheritor is at work.
    #[must_use]
    pub fn share(&self) -> HeldLease {
        let watch = self.watch();
        watch.shared.store(true, Ordering::Release);
        HeldLease { store: self.store(), key_stem: watch.lease.key.file_stem(), secret: watch.secret.clone() }
    }

    /// Releases the lock and says whether that went well.
    ///
    /// # Errors
    /// The store's. The lease then ends with its deadline or its process; a shared one whose inner gate could not be looked
    /// at is released in the background as soon as it can be.
    ///
    /// # Cancel safety
    /// When dropped, the release goes on in the background.
    pub async fn release(mut self) -> Result<(), Error> {
        let Some(watch) = self.watch.take() else { return Ok(()) };
        let (done, outcome) = tokio::sync::oneshot::channel();
        finish(async move {
            // The receiver is gone when the caller's future was dropped: the release is what matters.
            let _caller_gone = done.send(release(watch).await);
        });
        outcome.await.unwrap_or_else(|_| Err(Error::Config("the background thread ended".into())))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(watch) = self.watch.take() else { return };
        finish(async move {
            if let Err(error) = release(watch).await {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "release on drop failed");
            }
        });
    }
}

/// Ends the lease. A lease whose secret was shared ends only when no inheritor is at work: its inner gate is taken first.
async fn release(watch: Arc<LeaseWatch>) -> Result<(), Error> {
    let inner_gate = match watch.shared.load(Ordering::Acquire) && watch.check().is_ok() {
        true => match Box::pin(close_inner_gate(&watch)).await {
            Ok(gate) => Some(gate),
            Err(error) => {
                release_later(watch);
                return Err(error);
            }
        },
        false => None,
    };
    let released = end(&watch).await;
    // Not before the lease has ended: an inheritor that gets the gate would find it still held. And not by a drop, which may
    // only begin it: a process that ends behind this would leave the gate to its ttl.
    let opened = match inner_gate {
        Some(gate) => open_inner_gate(gate).await,
        None => Ok(()),
    };
    released.and(opened)
}

/// Ends this lease, whatever others are.
async fn end(watch: &LeaseWatch) -> Result<(), Error> {
    watch.ended.store(true, Ordering::Release);
    watch.lock.release(&watch.lease).await?;
    let released =
        LockEvent::Released { key: watch.key().clone(), token: watch.token(), held: watch.granted_at.elapsed() };
    emit(watch.observer.as_ref(), released);
    Ok(())
}

/// Tries again: whether an inheritor is at work is unknown, and a lease that is kept for that must not be kept for ever.
fn release_later(watch: Arc<LeaseWatch>) {
    let again = background::carry_on(async move {
        let guard = Guard::new(watch);
        let _no_timer = background::sleep_until(Moment::now() + RELEASE_AGAIN_AFTER).await;
        drop(guard);
    });
    if let Err(error) = again {
        tracing::error!(%error, "a release could not be tried again");
    }
}

async fn close_inner_gate(watch: &LeaseWatch) -> Result<Guard, Error> {
    let lock: Arc<dyn DistributedLock> = Arc::clone(&watch.lock);
    let options =
        AcquireOptions::default().without_timeout().priority(Priority::Urgent).label(&watch.lease.owner.label);
    lock.acquire(&watch.lease.key.inner_gate(), &options).await
}

/// Nobody shares the gate's own lease.
async fn open_inner_gate(mut gate: Guard) -> Result<(), Error> {
    let opened = end(gate.watch()).await;
    gate.watch = None;
    opened
}
