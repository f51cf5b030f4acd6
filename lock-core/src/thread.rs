//! The `thread` backend: excludes the threads and tasks of one process, and nobody else. For tests, and for the explicit
//! in-process choice; nothing ever falls back to it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, Holder, KeyState, Lease, LockKey, LossReason, Moment,
    Operation, ParentLease, Place, Renewed, Request, RequestId, SecretHash, Sweep, Ticket, Waited, Waiter, background,
    queue::{self, QUEUE_MAX, Standing},
    wall_clock_us,
};

/// How often a held lease looks for its mark of being broken.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// Locks among the threads and tasks that share this value or a clone of its `Arc`.
#[derive(Debug, Default)]
pub struct ThreadLock {
    keys: Mutex<HashMap<LockKey, Line>>,
    sweep: Sweep,
}

/// One key: its holder, and who waits.
#[derive(Debug, Default)]
struct Line {
    holder: Option<Held>,
    waiting: Vec<Entry>,
    last_ticket: u64,
    last_token: FencingToken,
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    secret: SecretHash,
    since_us: u64,
    broken: bool,
}

#[derive(Debug)]
struct Entry {
    standing: Standing,
    request: Request,
    since_us: u64,
    /// Rung when the lock was handed to the entry; it is the holder then.
    granted: Arc<Notify>,
}

impl ThreadLock {
    /// A lock space of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<LockKey, Line>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, key: &LockKey, operation: Operation, why: &str) -> Error {
        Error::Unsupported { key: key.to_string(), operation, store: self.to_string(), why: why.to_owned() }
    }
}

impl fmt::Display for ThreadLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address tells two lock spaces of one process apart, as a HELD entry must.
        write!(f, "thread:{}/{:p}", std::process::id(), self)
    }
}

impl Line {
    fn grant(&mut self, key: &LockKey, request: Request, ticket: u64) -> Lease {
        let token = FencingToken::next(self.last_token, request.floor, wall_clock_us());
        self.last_token = token;
        let owner = request.owner;
        let lease =
            Lease { key: key.clone(), request: request.id, token, owner, ticket, deadline: None, liveness: None };
        let since_us = wall_clock_us();
        self.holder = Some(Held { lease: lease.clone(), secret: request.secret_hash, since_us, broken: false });
        lease
    }

    /// Hands the free lock to the next in line: no moment in which a newcomer could barge in.
    fn hand_over(&mut self, key: &LockKey) {
        self.holder = None;
        let standings: Vec<Standing> = self.waiting.iter().map(|entry| entry.standing).collect();
        let Some(next) = queue::next(&standings) else { return };
        let overtaken: Vec<usize> = queue::passed_by(standings[next].ticket, &standings).collect();
        for index in overtaken {
            self.waiting[index].standing.passed += 1;
        }
        let entry = self.waiting.remove(next);
        self.grant(key, entry.request, entry.standing.ticket);
        entry.granted.notify_one();
    }

    /// The number of a request that asks now.
    fn number(&mut self, request: &Request) -> u64 {
        let holders = self.holder.as_ref().map(|held| held.lease.ticket);
        let in_use = |number| holders == Some(number) || self.waiting.iter().any(|e| e.standing.ticket == number);
        let number = queue::number(request.number, self.last_ticket + 1, in_use);
        self.last_ticket = self.last_ticket.max(number);
        number
    }

    fn holds(&self, request: RequestId, token: FencingToken) -> Option<&Held> {
        self.holder.as_ref().filter(|held| held.lease.request == request && held.lease.token == token)
    }

    fn place(&self, request: RequestId) -> Option<Place> {
        let standings: Vec<Standing> = self.waiting.iter().map(|entry| entry.standing).collect();
        let order = queue::order(&standings);
        order.iter().position(|&i| self.waiting[i].request.id == request).map(|ahead| Place { ahead })
    }

    fn queue(&self) -> Vec<Waiter> {
        let standings: Vec<Standing> = self.waiting.iter().map(|entry| entry.standing).collect();
        let waiter = |&index: &usize| {
            let Entry { standing, request, since_us, .. } = &self.waiting[index];
            let Standing { ticket, priority, passed } = *standing;
            Waiter { owner: request.owner.clone(), ticket, priority, since_us: *since_us, passed }
        };
        queue::order(&standings).iter().map(waiter).collect()
    }

    fn state(&self, key: &LockKey) -> KeyState {
        let holder = self.holder.as_ref().map_or(Holder::Free, |held| Holder::Lease {
            owner: held.lease.owner.clone(),
            token: held.lease.token,
            since_us: held.since_us,
            expires_us: None,
            broken: held.broken,
        });
        KeyState { key: key.clone(), holder, queue: self.queue(), last_token: self.last_token }
    }
}

#[async_trait]
impl DistributedLock for ThreadLock {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: false,
            cross_process: false,
            cross_host: false,
            ordered: true,
            proves_death: false,
            check_every: CHECK_EVERY,
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        let mut lines = self.lines();
        let line = lines.entry(key.clone()).or_default();
        if line.waiting.len() >= QUEUE_MAX {
            return Err(Error::QueueFull { key: key.clone(), waiting: line.waiting.len(), max: QUEUE_MAX });
        }
        let number = line.number(request);
        if line.holder.is_none() {
            return Ok(Entered::Granted(line.grant(key, request.clone(), number)));
        }
        line.waiting.push(Entry {
            standing: Standing { ticket: number, priority: request.priority, passed: 0 },
            request: request.clone(),
            since_us: wall_clock_us(),
            granted: Arc::default(),
        });
        let place = line.place(request.id).unwrap_or(Place { ahead: 0 });
        Ok(Entered::Queued(Ticket { key: key.clone(), request: request.id, number }, place))
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        let mut first_place = None;
        for pause in self.sweep.pauses() {
            let granted = {
                let lines = self.lines();
                let line = lines.get(&ticket.key);
                if let Some(held) = line.and_then(|l| l.holder.as_ref()).filter(|h| h.lease.request == ticket.request) {
                    return Ok(Waited::Granted(held.lease.clone()));
                }
                let Some((line, place)) = line.and_then(|l| Some((l, l.place(ticket.request)?))) else {
                    return Err(self.error(&ticket.key, Operation::Wait, "the ticket is not in line"));
                };
                if until.is_past() || *first_place.get_or_insert(place) != place {
                    return Ok(Waited::Queued(place));
                }
                line.waiting.iter().find(|e| e.request.id == ticket.request).map(|e| Arc::clone(&e.granted))
            };
            let Some(granted) = granted else { continue };
            let look = until.min(Moment::now() + pause);
            tokio::select! {
                () = granted.notified() => {}
                slept = background::sleep_until(look) => slept?,
            }
        }
        unreachable!("the pauses of a sweep have no end")
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(key) else { return Ok(()) };
        line.waiting.retain(|entry| entry.request.id != request);
        if line.holder.as_ref().is_some_and(|held| held.lease.request == request) {
            line.hand_over(key);
        }
        Ok(())
    }

    async fn renew(&self, lease: &Lease, _ttl: Duration) -> Result<Renewed, Error> {
        let lines = self.lines();
        let lost = |reason| Error::Lost { key: lease.key.clone(), token: lease.token, reason };
        let held = lines.get(&lease.key).and_then(|line| line.holds(lease.request, lease.token));
        match held {
            Some(held) if held.broken => Err(lost(LossReason::Broken)),
            Some(_) => Ok(Renewed { deadline: None }),
            None => Err(lost(LossReason::Replaced)),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let mut lines = self.lines();
        if let Some(line) = lines.get_mut(&lease.key)
            && line.holds(lease.request, lease.token).is_some()
        {
            line.hand_over(&lease.key);
        }
        Ok(())
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        Ok(self.lines().entry(key.clone()).or_default().state(key))
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        let lines = self.lines();
        let held =
            lines.get(key).and_then(|line| line.holder.as_ref()).filter(|held| held.secret == secret && !held.broken);
        Ok(held.map(|held| ParentLease::without_end(held.lease.token)))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error> {
        if kill {
            return Err(self.error(key, Operation::Break, "its holder is this very process"));
        }
        let mut lines = self.lines();
        let line = lines.entry(key.clone()).or_default();
        match &mut line.holder {
            Some(held) if held.lease.token == token => {
                held.broken = true;
                Ok(())
            }
            _ => Err(Error::NotHolder { key: key.clone(), token, state: Box::new(line.state(key)) }),
        }
    }
}
