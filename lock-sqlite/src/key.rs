//! One key as this process has it: its tickets, its leases, and the threads that sleep for it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use lock_core::{Lease, LockKey, Request, RequestId, dir::FileId};
use tokio::sync::Notify;

use crate::{
    baton::Baton,
    error::Trouble,
    store::{Opened, Store, lock},
};

/// What this process knows of one key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: LockKey,
    pub(crate) store: Arc<Store>,
    this: Weak<Self>,
    table: Mutex<Table>,
}

/// Tickets, leases and sleepers. Locked for moments, never over a system call that may wait.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Requests that `enter` is working on, with how often, and whether they were withdrawn meanwhile.
    entering: HashMap<RequestId, (usize, bool)>,
    pub(crate) tickets: HashMap<RequestId, Waiting>,
    pub(crate) leases: HashMap<RequestId, HeldLease>,
    /// Locked from our first ticket to our last: our place in line.
    pub(crate) wake: Option<Baton>,
    /// The baton that one of our threads sleeps on.
    pub(crate) baton_sleeper: Option<u64>,
    /// The files of others' places that our threads sleep on.
    pub(crate) sleepers: Vec<FileId>,
    /// A thread was started and has not looked at the line yet.
    pub(crate) starting: bool,
    /// Aged tickets that we have stepped back for.
    pub(crate) yielded: HashSet<u64>,
}

/// A ticket of this process.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) number: u64,
    pub(crate) since_us: u64,
    /// The lock was taken for it: the lease is in the table.
    pub(crate) granted: bool,
    pub(crate) fault: Option<Arc<Trouble>>,
    /// Rung when it is granted or has failed.
    pub(crate) ring: Arc<Notify>,
}

/// A lease of this process.
#[derive(Debug, Clone)]
pub(crate) struct HeldLease {
    pub(crate) lease: Lease,
    pub(crate) baton: Baton,
    /// The database that it was granted from.
    pub(crate) opened: Arc<Opened>,
}

impl Key {
    pub(crate) fn new(name: LockKey, store: Arc<Store>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self { name, store, this: Weak::clone(this), table: Mutex::default() })
    }

    /// Itself, for a thread to keep.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn is_idle(&self) -> bool {
        let table = self.table();
        table.tickets.is_empty() && table.leases.is_empty() && table.entering.is_empty()
    }

    /// Marks the request as one that `enter` works on; until the result is dropped.
    pub(crate) fn begin_enter(self: &Arc<Self>, request: RequestId) -> EnterMark {
        self.table().entering.entry(request).or_default().0 += 1;
        EnterMark { key: Arc::clone(self), request }
    }

    /// Tells an `enter` that may still be under way to leave no ticket. Whether there is one.
    pub(crate) fn stop_enter(&self, request: RequestId) -> bool {
        let mut table = self.table();
        let entering = table.entering.get_mut(&request);
        entering.map(|(_, withdrawn)| *withdrawn = true).is_some()
    }
}

impl Table {
    pub(crate) fn is_withdrawn(&self, request: RequestId) -> bool {
        self.entering.get(&request).is_some_and(|(_, withdrawn)| *withdrawn)
    }

    /// Our tickets that wait.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.tickets.values().filter(|ticket| !ticket.granted)
    }

    /// Names our place in line; no process has 0.
    pub(crate) fn process(&self) -> u64 {
        self.wake.as_ref().map_or(0, |wake| wake.number)
    }
}

/// See [`Key::begin_enter`].
#[derive(Debug)]
pub(crate) struct EnterMark {
    key: Arc<Key>,
    request: RequestId,
}

impl Drop for EnterMark {
    fn drop(&mut self) {
        let mut table = self.key.table();
        if let Some((count, _)) = table.entering.get_mut(&self.request) {
            *count -= 1;
            if *count == 0 {
                table.entering.remove(&self.request);
            }
        }
    }
}
