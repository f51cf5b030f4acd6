//! Acquiring: what callers use on any backend.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    AcquireOptions, DistributedLock, Entered, Error, FencingToken, Guard, Holder, KeyState, Lease, LockEvent, LockKey,
    Moment, Operation, Owner, Place, Request, RequestId, Secret, Ticket, Waited, background,
    event::emit,
    finish::finish,
    heartbeat,
    lease_watch::{LeaseWatch, Parent},
    sync::{LazyLock, Mutex, PoisonError},
};

/// How long a store may take beyond the caller's own deadline to answer. A healthy one answers in milliseconds; one that
/// hangs must not hang its callers.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Pause between two tries to withdraw from a store that does not answer.
const WITHDRAW_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// And for how long at most: whoever asks a store that is away again and again leaves one withdrawal each time.
const WITHDRAW_AGAIN_FOR: Duration = Duration::from_secs(60);

/// Comfort over [`DistributedLock`]: the way to a [`Guard`].
#[async_trait]
pub trait DistributedLockExt {
    /// Waits in line for `key`, at most as long as the options say.
    ///
    /// Under a lease that the options' [`HeldLeases`](crate::HeldLeases) prove, it takes that lease's inner gate instead.
    ///
    /// # Errors
    /// [`Error::TimedOut`] names holder, queue and place; any other error means that the state is unknown. In either
    /// case nothing is held and no ticket is left, or the store is told so as soon as it can be reached (within the
    /// ttl, and a minute at most).
    ///
    /// # Cancel safety
    /// May be dropped at any point: no ticket, no lease and no lost wake-up is left behind, also when the grant is
    /// already in flight. Before its process ends, see [`background::drained`].
    async fn acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<Guard, Error>;

    /// Takes `key` only if it is free now; `None` if it is not.
    ///
    /// # Errors
    /// The store's: the state is unknown.
    ///
    /// # Cancel safety
    /// As [`DistributedLockExt::acquire`].
    async fn try_acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<Option<Guard>, Error>;
}

#[async_trait]
impl DistributedLockExt for Arc<dyn DistributedLock> {
    async fn acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<Guard, Error> {
        acquire_under(self, key, options, Moment::now() + options.timeout, Vec::new()).await
    }

    async fn try_acquire(&self, key: &LockKey, options: &AcquireOptions) -> Result<Option<Guard>, Error> {
        match self.acquire(key, &options.clone().timeout(Duration::ZERO)).await {
            Ok(guard) => Ok(Some(guard)),
            Err(Error::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Acquires `key`; where the options prove a lease on it, at the inner gate of that lease, and so on inwards.
///
/// `parents` are the leases proven so far, outermost first.
async fn acquire_under(
    lock: &Arc<dyn DistributedLock>,
    key: &LockKey,
    options: &AcquireOptions,
    deadline: Moment,
    parents: Vec<Parent>,
) -> Result<Guard, Error> {
    if let Some(secret) = options.held.find(&lock.to_string(), key).map(|held| held.secret.hash()) {
        if let Some(held) = lock.held_under(key, secret).await? {
            let parent = Parent::new(key.clone(), secret, held.token);
            let mut within = parents.clone();
            within.push(parent.clone());
            let guard = Box::pin(acquire_under(lock, &key.inner_gate(), options, deadline, within)).await?;
            // The lease may have ended while we waited at its inner gate; then it gives no right any more.
            if let Some(now) = lock.held_under(key, secret).await?.filter(|now| now.token == held.token) {
                parent.lasts_until(now.deadline);
                return Ok(guard);
            }
        }
        emit(options.observer.as_ref(), LockEvent::HeldIsStale { key: key.clone() });
    }
    stand_in_line(lock, key, options, deadline, parents).await
}

async fn stand_in_line(
    lock: &Arc<dyn DistributedLock>,
    key: &LockKey,
    options: &AcquireOptions,
    deadline: Moment,
    parents: Vec<Parent>,
) -> Result<Guard, Error> {
    let began = Moment::now();
    let secret = Secret::random().map_err(|e| Error::Config(format!("no random source: {e}")))?;
    let request = new_request(lock, key, options, &secret)?;
    let (ttl, id) = (options.ttl, request.id);
    let mut pending = Pending { lock: Arc::clone(lock), key: key.clone(), request: id, ttl, armed: true };
    emit(options.observer.as_ref(), LockEvent::Requested { key: key.clone() });
    let lease = match answered(lock, key, Operation::Enter, deadline, lock.enter(key, &request)).await? {
        Entered::Granted(lease) => lease,
        Entered::Queued(ticket, place) => {
            let waiting = Waiting { lock, options, began, deadline };
            waiting.until_granted(&mut pending, &ticket, place).await?
        }
    };
    let granted =
        LockEvent::Granted { key: key.clone(), token: lease.token, ticket: lease.ticket, waited: began.elapsed() };
    emit(options.observer.as_ref(), granted);
    remember_token(lock, &lease);
    let observer = options.observer.clone();
    let watch = Arc::new(LeaseWatch::new(Arc::clone(lock), lease, secret, options.ttl, parents, observer));
    let guard = Guard::new(Arc::clone(&watch));
    pending.armed = false;
    heartbeat::watch(&watch)?;
    Ok(guard)
}

/// The store's answer, or after [`ANSWER_MAX`] beyond the deadline the error that there was none.
async fn answered<T>(
    lock: &Arc<dyn DistributedLock>,
    key: &LockKey,
    operation: Operation,
    deadline: Moment,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        answer = answer => answer,
        slept = background::sleep_until(deadline.max(Moment::now()) + ANSWER_MAX) => {
            slept?;
            let source = Arc::new(std::io::Error::new(std::io::ErrorKind::TimedOut, "the store did not answer"));
            Err(Error::Store { key: key.to_string(), operation, store: lock.to_string(), source })
        }
    }
}

/// A request that may stand in line or be granted: withdrawn when dropped, unless its lease went into a guard.
struct Pending {
    lock: Arc<dyn DistributedLock>,
    key: LockKey,
    request: RequestId,
    /// Its ttl: for how long it is withdrawn again from a store that expires and does not answer.
    ttl: Duration,
    armed: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (lock, key, request) = (Arc::clone(&self.lock), self.key.clone(), self.request);
        let until = Moment::now() + self.ttl.min(WITHDRAW_AGAIN_FOR);
        finish(async move {
            let Err(error) = lock.withdraw(&key, request).await else { return };
            let expires = lock.capabilities().expires;
            let source = std::error::Error::source(&error);
            tracing::error!(%error, ?source, again = expires, "a ticket could not be withdrawn");
            // Not among what `drained` waits for: the store may be away for good.
            if expires && let Err(error) = background::spawn(withdraw_again(lock, key, request, until)) {
                tracing::error!(%error, "a withdrawal could not be tried again");
            }
        });
    }
}

/// A request may lie in the socket of a store that hangs, and be granted to nobody when that goes on: it is withdrawn as soon as
/// the store answers, if that is before `until`.
async fn withdraw_again(lock: Arc<dyn DistributedLock>, key: LockKey, request: RequestId, until: Moment) {
    while !until.is_past() {
        if background::sleep_until(Moment::now() + WITHDRAW_AGAIN_AFTER).await.is_err() {
            return;
        }
        match lock.withdraw(&key, request).await {
            Ok(()) => return tracing::info!(%key, "a ticket was withdrawn after all"),
            Err(error) => tracing::debug!(%error, "a ticket could not be withdrawn"),
        }
    }
}

struct Waiting<'a> {
    lock: &'a Arc<dyn DistributedLock>,
    options: &'a AcquireOptions,
    began: Moment,
    deadline: Moment,
}

impl Waiting<'_> {
    async fn until_granted(&self, pending: &mut Pending, ticket: &Ticket, mut place: Place) -> Result<Lease, Error> {
        loop {
            let queued = LockEvent::Queued { key: ticket.key.clone(), ticket: ticket.number, place };
            emit(self.options.observer.as_ref(), queued);
            if self.deadline.is_past() {
                return self.leave(pending, ticket, place).await;
            }
            let wait = self.lock.wait(ticket, self.deadline);
            match answered(self.lock, &ticket.key, Operation::Wait, self.deadline, wait).await? {
                Waited::Granted(lease) => return Ok(lease),
                Waited::Queued(now) => place = now,
            }
        }
    }

    /// Leaves the line, and says who was in the way; or takes the lease that has come in the last instant, for then nobody
    /// is. A store that hangs now must not turn the timeout into a longer wait.
    async fn leave(&self, pending: &mut Pending, ticket: &Ticket, place: Place) -> Result<Lease, Error> {
        let left = self.lease_or_state(ticket);
        let state = match answered(self.lock, &ticket.key, Operation::Withdraw, self.deadline, left).await? {
            Ok(lease) => return Ok(lease),
            Err(state) => state,
        };
        pending.armed = false;
        Err(Error::TimedOut {
            key: ticket.key.clone(),
            waited: self.began.elapsed(),
            state: Box::new(state),
            place: Some(place),
            setting: self.options.timeout_setting,
        })
    }

    async fn lease_or_state(&self, ticket: &Ticket) -> Result<Result<Lease, KeyState>, Error> {
        let state = match self.lock.inspect(&ticket.key).await {
            Ok(mut state) => {
                // We still stand there; the caller wants to know of the others.
                state.queue.retain(|waiter| waiter.ticket != ticket.number);
                state
            }
            Err(error) => {
                tracing::warn!(%error, operation = %Operation::Inspect, "holder unknown");
                let queue = Vec::new();
                KeyState { key: ticket.key.clone(), holder: Holder::Unknown, queue, last_token: FencingToken(0) }
            }
        };
        // It may be the lease of this very ticket, on its way to us, or another task's.
        if matches!(&state.holder, Holder::Lease { owner, .. } if owner.is_this_process())
            && let Waited::Granted(lease) = self.lock.wait(ticket, Moment::now()).await?
        {
            return Ok(Ok(lease));
        }
        self.lock.withdraw(&ticket.key, ticket.request).await?;
        Ok(Err(state))
    }
}

/// The highest token that this process has seen of each key: the floor of its next request.
static SEEN: LazyLock<Mutex<HashMap<(String, LockKey), FencingToken>>> = LazyLock::new(Mutex::default);

fn remember_token(lock: &Arc<dyn DistributedLock>, lease: &Lease) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let highest = seen.entry((lock.to_string(), lease.key.clone())).or_default();
    *highest = lease.token.max(*highest);
}

fn new_request(
    lock: &Arc<dyn DistributedLock>,
    key: &LockKey,
    options: &AcquireOptions,
    secret: &Secret,
) -> Result<Request, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| Error::Config(format!("no random source: {e}")))?;
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let floor = seen.get(&(lock.to_string(), key.clone())).map_or(FencingToken(0), |t| FencingToken(t.0 + 1));
    Ok(Request {
        id: RequestId(u128::from_be_bytes(id)),
        owner: Owner::current(&options.label),
        priority: options.priority,
        ttl: options.ttl,
        floor,
        secret_hash: secret.hash(),
        number: options.places.iter().find(|(of, _)| of == key).map(|(_, number)| *number),
    })
}
