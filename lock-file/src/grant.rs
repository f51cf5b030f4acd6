//! Taking the gate, granting it, letting go, and leaving the line.

use std::sync::Arc;

use lock_core::{
    FencingToken, Lease, Request, RequestId, flock,
    turn::{self, InLine},
    wall_clock_us,
};

use crate::{
    entry::Entry,
    error::Trouble,
    header::Header,
    holder::Record,
    key::{Key, REPLACED_MAX, Section},
    key_files::{Gate, KeyFiles},
    line::Line,
    table::HeldLease,
};

/// How often a gate is tried that nobody is recorded to hold: a waiter that was woken for nothing has it for
/// microseconds, and `run -n` must not fail for that.
const PASSING_TRIES: usize = 20;

impl Section<'_> {
    /// Takes the gate if it is free, but waits out a waiter that was woken for nothing.
    pub(crate) fn try_gate_patiently(&self) -> Result<Option<Gate>, Trouble> {
        for _ in 0..PASSING_TRIES {
            if let Some(gate) = self.try_gate()? {
                return Ok(Some(gate));
            }
            let record = Record::read(&self.files.holder).map_err(self.files.holder_trouble("read"))?;
            if record.held.is_some() {
                break;
            }
            std::thread::yield_now();
        }
        Ok(None)
    }

    /// Takes the gate if it is free.
    pub(crate) fn try_gate(&self) -> Result<Option<Gate>, Trouble> {
        for _ in 0..REPLACED_MAX {
            let gate = self.files.open_gate()?;
            if !flock::try_exclusive(&gate.file).map_err(Trouble::io("lock", self.files.gate_path()))? {
                return Ok(None);
            }
            // Replaced between opening and locking, it would be another lock than everybody else's.
            if self.files.names_gate(gate.id)? {
                return Ok(Some(gate));
            }
            gate.give_back();
        }
        Err(Trouble::unsteady(self.files.gate_path()))
    }

    /// Grants the gate, which is locked, to the ticket at `index`, which is ours.
    pub(crate) fn grant_ticket(&mut self, gate: Gate, line: &mut Line, index: usize) -> Result<(), Trouble> {
        let number = line.entries()[index].ticket;
        match self.key.grant_waiting(&self.files, gate, number)? {
            Some(request) => self.settle_in(line, request),
            None => Ok(()),
        }
    }

    /// Takes a granted ticket out of the line, and wakes who slept behind it.
    fn settle(&mut self, request: RequestId) -> Result<(), Trouble> {
        let mut line = std::mem::take(&mut *self.turn);
        line.read_again(&self.files.line).map_err(self.files.line_trouble("read"))?;
        let settled = self.settle_in(&mut line, request);
        self.keep(line);
        settled
    }

    pub(crate) fn settle_in(&mut self, line: &mut Line, request: RequestId) -> Result<(), Trouble> {
        self.key.table().settling.remove(&request);
        if let Some(index) = line.find(request) {
            self.take_out_granted(line, index)?;
        }
        let process = self.key.process;
        let next_is_ours = turn::next_awake(line.entries()).is_some_and(|i| line.entries()[i].process == process);
        self.move_wake_file(line, next_is_ours)
    }

    /// Takes out the ticket that was granted last, where its process has not come to that yet: it waits no more, and is in
    /// nobody's way. Who sleeps behind it is woken by that process all the same.
    pub(crate) fn take_out_unsettled(&self, line: &mut Line) -> Result<(), Trouble> {
        if line.entries().is_empty() {
            return Ok(());
        }
        let last = Record::last_request_in(&self.files.holder).map_err(self.files.holder_trouble("read"))?;
        let Some((last, index)) = last.and_then(|last| Some((last, line.find(last)?))) else { return Ok(()) };
        // The record of a grant of ours is written before the table, and where that failed the ticket waits on.
        let waits = self.key.table().tickets.get(&last).is_some_and(|ticket| !ticket.granted);
        if waits { Ok(()) } else { self.take_out_granted(line, index) }
    }

    fn take_out_granted(&self, line: &mut Line, index: usize) -> Result<(), Trouble> {
        let granted = line.remove(&self.files.line, index).map_err(self.files.line_trouble("write"))?;
        let passed = |e: &mut Entry| {
            let passed = e.ticket < granted.ticket && e.is_awake();
            e.passed += u32::from(passed);
            passed
        };
        line.update(&self.files.line, passed).map_err(self.files.line_trouble("write"))
    }

    /// Ends a request whatever became of it meanwhile: granted or waiting.
    pub(crate) fn withdraw(&mut self, request: RequestId) -> Result<(), Trouble> {
        if self.key.abandon(request) { Ok(()) } else { self.leave(request) }
    }

    /// Takes a ticket of ours out of the line; nothing where it is not in it.
    fn leave(&mut self, request: RequestId) -> Result<(), Trouble> {
        // Not `line()`: that already would take the ticket out, without waking anybody.
        let mut line = Line::read(&self.files.line).map_err(self.files.line_trouble("read"))?;
        let Some(index) = line.find(request) else { return Ok(()) };
        let keeps_place = turn::keeps_place_without(line.entries(), index);
        line.remove(&self.files.line, index).map_err(self.files.line_trouble("write"))?;
        self.move_wake_file(&line, keeps_place)
    }

    /// After a ticket of ours left the line: wakes who slept behind it, unless another one of ours has its place now.
    pub(crate) fn move_wake_file(&mut self, line: &Line, keeps_place: bool) -> Result<(), Trouble> {
        let process = self.key.process;
        let mut table = self.key.table();
        if !line.entries().iter().any(|e| e.process == process) {
            table.yielded.clear();
            let Some(wake) = table.wake.take() else { return Ok(()) };
            self.wakes.push(wake.remove(self.files.waiters()?)?);
        } else if !keeps_place && let Some(wake) = &mut table.wake {
            self.wakes.push(wake.replace(self.files.waiters()?)?);
        }
        Ok(())
    }

    /// Wakes who sleeps behind us, because an old ticket of another process goes first now by its age; once for each such
    /// ticket. Its process may sleep on ours, or on one that does so.
    pub(crate) fn step_back_for_aged(&mut self, line: &Line, ours: usize) -> Result<(), Trouble> {
        let aged: Vec<u64> = turn::overtaken_by_age(line.entries(), ours).collect();
        if aged.is_empty() {
            return Ok(());
        }
        let mut table = self.key.table();
        let known = table.yielded.len();
        table.yielded.extend(aged);
        if table.yielded.len() > known
            && let Some(wake) = &mut table.wake
        {
            self.wakes.push(wake.replace(self.files.waiters()?)?);
        }
        Ok(())
    }
}

impl Key {
    /// [`Section::settle`], and where that is not possible, at least no ticket that keeps its place for ever: the next
    /// section of ours finds it granted, and takes it out.
    pub(crate) fn settle(&self, request: RequestId) -> Result<(), Trouble> {
        let settled = self.section().and_then(|mut section| section.settle(request));
        self.table().settling.remove(&request);
        settled
    }

    /// Grants the gate, which is locked, to our waiting ticket with this number; gives it back where there is none any
    /// more. The lease goes to its task first: the line is settled afterwards. Needs no section: the holder's record is
    /// the gate's.
    pub(crate) fn grant_waiting(
        &self,
        files: &Arc<KeyFiles>,
        gate: Gate,
        number: u64,
    ) -> Result<Option<RequestId>, Trouble> {
        let waiting = self.table().waiting_as(number).map(|ticket| ticket.request.clone());
        let Some(request) = waiting else {
            gate.give_back();
            return Ok(None);
        };
        let held = self.write_holder(files, gate, &request, number)?;
        let mut table = self.table();
        let Some(ticket) = table.tickets.get_mut(&request.id) else {
            // Withdrawn while the record was written; nobody has seen the lease. Under the table's lock, see [`Table::hold`].
            let_go_of(&held);
            return Ok(None);
        };
        ticket.granted = true;
        let ring = Arc::clone(&ticket.ring);
        table.settling.insert(request.id);
        table.hold(held);
        drop(table);
        ring.notify_one();
        // Its task may have been woken onto this processor: it goes first, and the line is settled beside it.
        std::thread::yield_now();
        Ok(Some(request.id))
    }

    /// Grants the gate, which is locked, to a request that never stood in line.
    pub(crate) fn grant_newcomer(
        &self,
        files: &Arc<KeyFiles>,
        gate: Gate,
        request: &Request,
        number: u64,
    ) -> Result<Lease, Trouble> {
        let held = self.write_holder(files, gate, request, number)?;
        let lease = held.lease.clone();
        self.table().hold(held);
        Ok(lease)
    }

    /// Writes down who has the gate, which is locked, and makes it a lease. On an error the gate is given back.
    fn write_holder(
        &self,
        files: &Arc<KeyFiles>,
        gate: Gate,
        request: &Request,
        ticket: u64,
    ) -> Result<HeldLease, Trouble> {
        let since_us = wall_clock_us();
        let record = match write_record(files, request, ticket, since_us) {
            Ok(record) => record,
            Err(trouble) => {
                gate.give_back();
                return Err(trouble);
            }
        };
        let lease = Lease {
            key: self.name.clone(),
            request: request.id,
            token: record.last_token,
            owner: request.owner.clone(),
            ticket,
            deadline: None,
            liveness: Some(Arc::new(gate.file)),
        };
        Ok(HeldLease { lease, record, gate: gate.id, files: Arc::clone(files) })
    }

    /// Ends a request in this process, whatever becomes of it right now; whether it was granted. The ticket goes first, for a grant
    /// needs no section: one that finds none is given back, and one that came before is let go of. What stands in the line of a
    /// request that waited is left there.
    pub(crate) fn abandon(&self, request: RequestId) -> bool {
        self.table().tickets.remove(&request);
        self.let_go(request, None)
    }

    /// Lets go of a lease of this process; `false` when there is none such. No section: the gate is ours until here.
    pub(crate) fn let_go(&self, request: RequestId, token: Option<FencingToken>) -> bool {
        let mut table = self.table();
        if table.leases.get(&request).is_none_or(|held| token.is_some_and(|t| t != held.lease.token)) {
            return false;
        }
        table.tickets.remove(&request);
        let Some(held) = table.leases.remove(&request) else { return false };
        let_go_of(&held);
        drop(table);
        // The next head may have been woken onto this processor: it goes first now, and we go on with what is not urgent.
        // Only then: on a busy machine a yield gives a whole slice away to anybody.
        if Header::read(&held.files.line).is_ok_and(|header| header.is_some_and(|header| header.head != 0)) {
            std::thread::yield_now();
        }
        true
    }
}

/// The holder's record with the next token and who has it.
fn write_record(files: &KeyFiles, request: &Request, ticket: u64, since_us: u64) -> Result<Record, Trouble> {
    let last = Record::read(&files.holder).map_err(files.holder_trouble("read"))?;
    let record = last.next(request, ticket, since_us);
    record.write(&files.holder).map_err(files.holder_trouble("write"))?;
    Ok(record)
}

fn let_go_of(held: &HeldLease) {
    // A record that stays is a dead holder's: it is not shown once the gate is free.
    if let Err(error) = held.record.released().write(&held.files.holder) {
        tracing::warn!(%error, key = %held.lease.key, "the holder's record could not be cleared");
    }
    // The baton last: who wakes for it finds the gate free.
    for file in held.lease.liveness.as_deref().into_iter().chain([&held.files.baton]) {
        if let Err(error) = flock::unlock(file) {
            tracing::error!(%error, key = %held.lease.key, "the gate could not be unlocked; closing it must do");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use lock_core::{Entered, Ticket};

    use super::*;
    use crate::testing::{holds, key, request, waits};

    /// A ticket of `a` that waited for `b`, which has let go; and the gate, locked for it.
    fn at_its_turn(a: &Key, b: &Key, [theirs, ours]: [u128; 2]) -> (Arc<KeyFiles>, Gate, Ticket) {
        holds(b, theirs);
        let ticket = waits(a, ours);
        assert!(b.let_go(RequestId(theirs), None));
        let files = a.files().unwrap();
        let gate = files.open_gate().unwrap();
        assert!(flock::try_exclusive(&gate.file).unwrap());
        (files, gate, ticket)
    }

    /// A ticket of `a` that waited for `b`, was granted, and still stands in the line; and its number.
    fn granted_and_not_settled(a: &Key, b: &Key) -> (RequestId, u64) {
        let (files, gate, ticket) = at_its_turn(a, b, [1, 2]);
        assert_eq!(a.grant_waiting(&files, gate, ticket.number).unwrap(), Some(ticket.request));
        (ticket.request, ticket.number)
    }

    /// Its process was stopped, or not scheduled, between the grant and the line. Nobody holds and nobody waits.
    #[test]
    fn a_ticket_that_was_granted_is_in_nobodys_way_before_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = [1, 2, 3].map(|process| key(folder.path(), process));
        let (ours, number) = granted_and_not_settled(&a, &b);
        assert!(a.let_go(ours, None));
        let (state, _) = c.section().unwrap().inspect().unwrap();
        assert!(matches!(state.holder, lock_core::Holder::Free) && state.queue.is_empty(), "{state:?}");
        let back = Request { number: Some(number), ..request(3) };
        let Entered::Granted(lease) = c.section().unwrap().enter(&back).unwrap() else { panic!("it is free") };
        assert_eq!(lease.ticket, number, "its number is nobody's");
        a.settle(ours).unwrap();
        assert!(a.table().wake.is_none(), "who slept behind it is woken");
    }

    /// The grant needs no section, so it may come at any instant of a withdrawal.
    #[test]
    fn a_ticket_that_is_granted_while_it_is_withdrawn_leaves_no_lease() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = [1, 2].map(|process| key(folder.path(), process));
        for round in 0..2000 {
            let (files, gate, ticket) = at_its_turn(&a, &b, [2 * round + 1, 2 * round + 2]);
            let mut section = a.section().unwrap();
            let at_once = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    at_once.wait();
                    a.grant_waiting(&files, gate, ticket.number).unwrap()
                });
                at_once.wait();
                section.withdraw(ticket.request).unwrap();
            });
            drop(section);
            a.settle(ticket.request).unwrap();
            assert!(a.table().leases.is_empty(), "round {round}: nobody will ever let go of it");
        }
    }

    #[test]
    fn a_grant_that_cannot_be_settled_leaves_no_ticket_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (locks, aside) = (folder.path().join("locks"), folder.path().join("aside"));
        let (a, b) = (key(&locks, 1), key(&locks, 2));
        let (ours, _) = granted_and_not_settled(&a, &b);
        std::fs::rename(&locks, &aside).unwrap();
        std::fs::write(&locks, "").unwrap();
        assert!(a.settle(ours).is_err(), "the folder is gone");
        std::fs::remove_file(&locks).unwrap();
        std::fs::rename(&aside, &locks).unwrap();
        assert!(a.let_go(ours, None));
        let entries = a.section().unwrap().line().unwrap().entries().len();
        assert_eq!(entries, 0, "its place is nobody's");
    }
}
