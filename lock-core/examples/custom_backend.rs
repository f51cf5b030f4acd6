//! A backend of a third party, from nothing, and its proof: `cargo test -p lock-core --example custom_backend --features
//! conformance` runs the whole suite on it.
//!
//! It keeps its locks in the memory of one process and hands them on in no particular order, and says so in its
//! capabilities; the cases that need more are skipped, loudly and counted.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, Holder, KeyState, Lease, LockKey, LossReason, Moment,
    Operation, ParentLease, Place, Renewed, Request, RequestId, SecretHash, Ticket, Waited, Waiter, queue,
    wall_clock_us,
};
use tokio::sync::Notify;

/// The backend: a table of keys, and one bell for all that wait.
#[derive(Debug, Default)]
struct Table {
    keys: Mutex<HashMap<LockKey, Row>>,
    released: Notify,
}

#[derive(Debug, Default)]
struct Row {
    held: Option<(Lease, Request, bool)>,
    waiting: HashMap<RequestId, (u64, Request)>,
    tickets: u64,
    last_token: FencingToken,
}

impl Table {
    fn keys(&self) -> MutexGuard<'_, HashMap<LockKey, Row>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table:{self:p}")
    }
}

impl Row {
    fn take(&mut self, key: &LockKey, request: &Request, ticket: u64) -> Lease {
        self.last_token = FencingToken::next(self.last_token, request.floor, wall_clock_us());
        let lease = Lease {
            key: key.clone(),
            request: request.id,
            token: self.last_token,
            owner: request.owner.clone(),
            ticket,
            deadline: None,
            liveness: None,
        };
        self.held = Some((lease.clone(), request.clone(), false));
        lease
    }

    fn number(&mut self, request: &Request) -> u64 {
        let holders = self.held.as_ref().map(|(lease, ..)| lease.ticket);
        let in_use = |number| holders == Some(number) || self.waiting.values().any(|(ticket, _)| *ticket == number);
        let number = queue::number(request.number, self.tickets + 1, in_use);
        self.tickets = self.tickets.max(number);
        number
    }

    fn holds(&self, request: RequestId, token: FencingToken) -> bool {
        self.held.as_ref().is_some_and(|(lease, ..)| lease.request == request && lease.token == token)
    }

    fn state(&self, key: &LockKey) -> KeyState {
        let holder = self.held.as_ref().map_or(Holder::Free, |(lease, _, broken)| {
            let (owner, token, broken) = (lease.owner.clone(), lease.token, *broken);
            // Tokens of this backend are its clock at the grant, or one more.
            Holder::Lease { owner, token, since_us: token.0, expires_us: None, broken }
        });
        let waiter = |(ticket, request): &(u64, Request)| {
            let (owner, since_us) = (request.owner.clone(), wall_clock_us());
            Waiter { owner, ticket: *ticket, priority: request.priority, since_us, passed: 0 }
        };
        let queue = self.waiting.values().map(waiter).collect();
        KeyState { key: key.clone(), holder, queue, last_token: self.last_token }
    }
}

#[async_trait]
impl DistributedLock for Table {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: false,
            cross_process: false,
            cross_host: false,
            ordered: false,
            proves_death: false,
            check_every: Duration::from_millis(20),
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        let mut keys = self.keys();
        let row = keys.entry(key.clone()).or_default();
        let number = row.number(request);
        if row.held.is_none() {
            return Ok(Entered::Granted(row.take(key, request, number)));
        }
        row.waiting.insert(request.id, (number, request.clone()));
        let ticket = Ticket { key: key.clone(), request: request.id, number };
        Ok(Entered::Queued(ticket, Place { ahead: row.waiting.len() - 1 }))
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        loop {
            // Listens before it looks: a release between the two rings for us all the same.
            let mut released = std::pin::pin!(self.released.notified());
            released.as_mut().enable();
            {
                let mut keys = self.keys();
                let row = keys.entry(ticket.key.clone()).or_default();
                let Some((number, request)) = row.waiting.get(&ticket.request).cloned() else {
                    let (key, store) = (ticket.key.to_string(), self.to_string());
                    let why = "the ticket is not in line".to_owned();
                    return Err(Error::Unsupported { key, operation: Operation::Wait, store, why });
                };
                if row.held.is_none() {
                    row.waiting.remove(&ticket.request);
                    return Ok(Waited::Granted(row.take(&ticket.key, &request, number)));
                }
                if until.is_past() {
                    return Ok(Waited::Queued(Place { ahead: row.waiting.len() - 1 }));
                }
            }
            tokio::select! {
                () = &mut released => {}
                slept = lock_core::background::sleep_until(until) => slept?,
            }
        }
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        let mut keys = self.keys();
        let row = keys.entry(key.clone()).or_default();
        row.waiting.remove(&request);
        row.held.take_if(|(lease, ..)| lease.request == request);
        self.released.notify_waiters();
        Ok(())
    }

    async fn renew(&self, lease: &Lease, _ttl: Duration) -> Result<Renewed, Error> {
        let mut keys = self.keys();
        let row = keys.entry(lease.key.clone()).or_default();
        let reason = match &row.held {
            Some((_, _, broken)) if row.holds(lease.request, lease.token) => broken.then_some(LossReason::Broken),
            _ => Some(LossReason::Replaced),
        };
        match reason {
            Some(reason) => Err(Error::Lost { key: lease.key.clone(), token: lease.token, reason }),
            None => Ok(Renewed { deadline: None }),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let mut keys = self.keys();
        let row = keys.entry(lease.key.clone()).or_default();
        if row.holds(lease.request, lease.token) {
            row.held = None;
            self.released.notify_waiters();
        }
        Ok(())
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        Ok(self.keys().entry(key.clone()).or_default().state(key))
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        let keys = self.keys();
        let held = keys.get(key).and_then(|row| row.held.as_ref());
        let ours = held.filter(|(_, request, broken)| request.secret_hash == secret && !broken);
        Ok(ours.map(|(lease, ..)| ParentLease::without_end(lease.token)))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, _kill: bool) -> Result<(), Error> {
        let mut keys = self.keys();
        let row = keys.entry(key.clone()).or_default();
        if let Some((_, _, broken)) = row.held.as_mut().filter(|(lease, ..)| lease.token == token) {
            *broken = true;
            return Ok(());
        }
        Err(Error::NotHolder { key: key.clone(), token, state: Box::new(row.state(key)) })
    }
}

#[allow(clippy::print_stdout, reason = "an example talks")]
fn main() {
    println!("{:?}", Table::default().capabilities());
}

/// The proof: these lines are all that a third party writes.
#[cfg(test)]
mod suite {
    use std::sync::Arc;

    use lock_core::{DistributedLock, conformance::Harness};

    use super::Table;

    struct Tables(Arc<Table>);

    impl Harness for Tables {
        const SKIPPED: usize = 21;
        fn fresh() -> Self {
            Self(Arc::new(Table::default()))
        }
        fn client(&self) -> Arc<dyn DistributedLock> {
            Arc::clone(&self.0) as Arc<dyn DistributedLock>
        }
        fn address(&self) -> Option<String> {
            None
        }
        fn open(address: &str) -> Arc<dyn DistributedLock> {
            unreachable!("no other process opens {address}")
        }
        fn lose_data(&self) -> bool {
            false
        }
        fn cut(&self) -> bool {
            false
        }
    }

    lock_core::conformance!(Tables);
}
