//! What this process has of one key: its tickets, its leases, and who of its threads sleeps where.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use lock_core::{Lease, Owner, Request, RequestId, dir::FileId, flock};
use tokio::sync::Notify;

use crate::{
    entry::{Entry, Rest},
    error::Trouble,
    holder::Record,
    key_files::KeyFiles,
    waiters::WakeFile,
};

/// Tickets, leases and sleepers. Locked for moments, never over a system call that may wait.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Requests that `enter` is working on, with how often, and whether they were withdrawn meanwhile.
    pub(crate) entering: HashMap<RequestId, (usize, bool)>,
    pub(crate) tickets: HashMap<RequestId, Waiting>,
    pub(crate) leases: HashMap<RequestId, HeldLease>,
    /// Tickets that were granted and still stand in the line's file.
    pub(crate) settling: HashSet<RequestId>,
    pub(crate) wake: Option<WakeFile>,
    /// The gate that one of our threads sleeps on.
    pub(crate) gate_sleeper: Option<FileId>,
    /// The wake files that our threads sleep on.
    pub(crate) sleepers: Vec<FileId>,
    /// A thread was started and has not looked at the line yet.
    pub(crate) starting: bool,
    /// Threads that wait for a call, and calls that were not yet heard.
    pub(crate) parked: usize,
    pub(crate) called: usize,
    /// The epoch of the line when our tickets were last compared with it.
    pub(crate) epoch: u64,
    /// Aged tickets that we have stepped back for.
    pub(crate) yielded: HashSet<u64>,
}

/// A ticket of this process.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) number: u64,
    pub(crate) since_us: u64,
    /// Where its record was last seen.
    pub(crate) slot: usize,
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
    /// What the holder's record says of it.
    pub(crate) record: Record,
    pub(crate) gate: FileId,
    pub(crate) files: Arc<KeyFiles>,
}

impl Table {
    pub(crate) fn is_withdrawn(&self, request: RequestId) -> bool {
        self.entering.get(&request).is_some_and(|(_, withdrawn)| *withdrawn)
    }

    /// Takes a lease in, and the baton for it. Under the table's lock, as its release is: an earlier lease of ours cannot
    /// let go of this one's baton.
    pub(crate) fn hold(&mut self, held: HeldLease) {
        // Should a waiter that has just woken still share the baton, the next head sleeps on the gate instead.
        if let Err(error) = flock::try_exclusive(&held.files.baton) {
            tracing::debug!(%error, "the baton could not be locked; the next in line sleeps on the gate");
        }
        self.leases.insert(held.lease.request, held);
    }

    /// Our ticket with this number, if it waits.
    pub(crate) fn waiting_as(&self, number: u64) -> Option<&Waiting> {
        self.tickets.values().find(|ticket| ticket.number == number && !ticket.granted)
    }

    pub(crate) fn any_owner(&self) -> Option<Owner> {
        self.tickets.values().find(|t| !t.granted).map(|t| t.request.owner.clone())
    }

    /// The record of a ticket that is in the table.
    pub(crate) fn entry_of(&mut self, request: &Request, process: u64, files: &KeyFiles) -> Result<Entry, Trouble> {
        let label = match &mut self.wake {
            Some(wake) => wake.label(files.waiters()?, &request.owner.label)?,
            None => 0,
        };
        let ticket = self.tickets.get(&request.id).ok_or(Trouble::NoTicket)?;
        Ok(Entry {
            ticket: ticket.number,
            request: request.id,
            process,
            since_us: ticket.since_us,
            pid: std::process::id(),
            start: request.owner.start,
            passed: 0,
            label,
            priority: request.priority,
            rest: Rest::Awake,
        })
    }
}
