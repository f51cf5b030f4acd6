//! Entering, granting and leaving: what is done to the line and to the gate inside a section.

use std::{collections::HashSet, sync::Arc};

use lock_core::{Entered, FencingToken, Lease, Place, Request, RequestId, Ticket, flock, wall_clock_us};
use tokio::sync::Notify;

use crate::{
    error::Trouble,
    holder::Record,
    key::{HeldLease, Key, REPLACED_MAX, Section, Waiting},
    key_files::{Gate, KeyFiles},
    line::{Entry, Line, Rest},
    stopped, turn,
    waiters::{self, Life, WakeFile},
};

/// How often a gate is tried that nobody is recorded to hold: a waiter that was woken for nothing has it for
/// microseconds, and `run -n` must not fail for that.
const PASSING_TRIES: usize = 20;

impl Section<'_> {
    /// Answers a request: the lock if it is free and nobody goes first, else a place in line.
    pub(crate) fn enter(&mut self, request: &Request) -> Result<Entered, Trouble> {
        if self.key.table().is_withdrawn(request.id) {
            return Err(Trouble::Withdrawn);
        }
        let mut line = self.line()?;
        let entered = self.enter_line(&mut line, request);
        self.keep(line);
        entered
    }

    fn enter_line(&mut self, line: &mut Line, request: &Request) -> Result<Entered, Trouble> {
        if let Some(answer) = self.answer_again(request.id, line) {
            return Ok(answer);
        }
        if self.is_clear(line)?
            && let Some(gate) = self.try_gate_patiently()?
        {
            return self.key.grant(&self.files, gate, request, line.number_now()).map(Entered::Granted);
        }
        self.queue(line, request)
    }

    /// The line, with this process's tickets in it exactly as its table has them. [`Section::keep`] keeps its memory.
    pub(crate) fn line(&mut self) -> Result<Line, Trouble> {
        let mut line = std::mem::take(&mut *self.turn);
        line.read_again(&self.files.line).map_err(self.files.line_trouble("read"))?;
        let process = self.key.process;
        let (mut ours, mut resting) = (0, false);
        let (waiting, changed) = {
            let mut table = self.key.table();
            for entry in line.entries() {
                ours += usize::from(entry.process == process && !table.settling.contains(&entry.request));
                resting |= !entry.is_awake();
            }
            let waiting = table.tickets.values().filter(|t| !t.granted).count();
            let rebuilt = std::mem::replace(&mut table.epoch, line.epoch()) != line.epoch();
            (waiting, rebuilt || (waiting > 0 && table.wake.is_none()))
        };
        if resting {
            // Whoever runs is awake, we are, and who was stopped is when it runs again: its place is its own from then on.
            let runs = |e: &Entry| e.process == process || (e.rest == Rest::Stopped && stopped::runs_again(e));
            let woken = |e: &mut Entry| {
                !e.is_awake() && runs(e) && {
                    e.rest = Rest::Awake;
                    true
                }
            };
            line.update(&self.files.line, woken).map_err(self.files.line_trouble("write"))?;
        }
        if ours != waiting || (changed && waiting > 0) {
            self.put_back(&mut line)?;
        }
        Ok(line)
    }

    /// Keeps the memory of a line for the next section.
    pub(crate) fn keep(&mut self, line: Line) {
        *self.turn = line;
    }

    /// Makes the line agree with the table: takes out what a failed write left, puts back what damage took.
    fn put_back(&mut self, line: &mut Line) -> Result<(), Trouble> {
        let process = self.key.process;
        let trouble = self.files.line_trouble("write");
        let mut table = self.key.table();
        let waiting: HashSet<RequestId> = table.tickets.values().filter(|t| !t.granted).map(|t| t.request.id).collect();
        let stale =
            |e: &Entry| e.process == process && !waiting.contains(&e.request) && !table.settling.contains(&e.request);
        line.remove_all(&self.files.line, stale).map_err(trouble)?;
        let present: HashSet<RequestId> = line.entries().iter().map(|e| e.request).collect();
        let lost = waiting.difference(&present).filter_map(|id| table.tickets.get(id)).map(|t| t.request.clone());
        let lost: Vec<Request> = lost.collect();
        let Some(owner) = lost.first().map(|r| r.owner.clone()).or_else(|| table.any_owner()) else { return Ok(()) };
        let files = Arc::clone(&self.files);
        if table.wake.is_none() {
            table.wake = Some(WakeFile::create(files.waiters()?, process, &owner)?);
        }
        for request in lost {
            let entry = table.entry_of(&request, process, &files)?;
            let slot = line.append(&files.line, entry).map_err(files.line_trouble("write"))?;
            if let Some(ticket) = table.tickets.get_mut(&request.id) {
                ticket.slot = slot;
            }
        }
        Ok(())
    }

    /// The answer to a request that was answered before and is sent again.
    fn answer_again(&self, request: RequestId, line: &Line) -> Option<Entered> {
        let mut table = self.key.table();
        if let Some(held) = table.leases.get(&request) {
            let lease = held.lease.clone();
            table.tickets.remove(&request);
            return Some(Entered::Granted(lease));
        }
        let number = table.tickets.get(&request)?.number;
        Some(Entered::Queued(Ticket { key: self.key.name.clone(), request, number }, place(line, request)))
    }

    /// Whether no live waiter goes first. Dead ones that would go next are swept away.
    fn is_clear(&mut self, line: &mut Line) -> Result<bool, Trouble> {
        while let Some(next) = turn::next_awake(line.entries()) {
            let process = line.entries()[next].process;
            if process == self.key.process || self.sweep_if_dead(line, process)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The wake file of a live process to sleep on; `None` when the process was dead, and its tickets are gone now.
    pub(crate) fn sweep_if_dead(&mut self, line: &mut Line, process: u64) -> Result<Option<Gate>, Trouble> {
        let waiters = self.files.waiters()?;
        match waiters::life(waiters, process)? {
            Life::Alive(file, id) => Ok(Some(Gate { file, id })),
            Life::Dead => {
                let trouble = self.files.line_trouble("write");
                line.remove_all(&self.files.line, |e| e.process == process).map_err(trouble)?;
                waiters::bury(waiters, process);
                Ok(None)
            }
        }
    }

    /// Takes the gate if it is free, but waits out a waiter that was woken for nothing.
    fn try_gate_patiently(&self) -> Result<Option<Gate>, Trouble> {
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
        Err(Trouble::Unsteady { path: self.files.gate_path().to_owned() })
    }

    /// Grants the gate, which is locked, to the ticket at `index`, which is ours.
    pub(crate) fn grant_ticket(&mut self, gate: Gate, line: &mut Line, index: usize) -> Result<(), Trouble> {
        let entry = line.entries()[index];
        match self.key.grant_waiting(&self.files, gate, entry.ticket)? {
            Some(request) => self.settle_in(line, request),
            None => Ok(()),
        }
    }

    /// Takes a granted ticket out of the line, and wakes who slept behind it.
    pub(crate) fn settle(&mut self, request: RequestId) -> Result<(), Trouble> {
        let mut line = std::mem::take(&mut *self.turn);
        line.read_again(&self.files.line).map_err(self.files.line_trouble("read"))?;
        let settled = self.settle_in(&mut line, request);
        self.keep(line);
        settled
    }

    fn settle_in(&mut self, line: &mut Line, request: RequestId) -> Result<(), Trouble> {
        self.key.table().settling.remove(&request);
        if let Some(index) = line.find(request) {
            let trouble = self.files.line_trouble("write");
            let granted = line.remove(&self.files.line, index).map_err(trouble)?;
            let passed = |e: &mut Entry| {
                let passed = e.ticket < granted.ticket && e.is_awake();
                e.passed += u32::from(passed);
                passed
            };
            line.update(&self.files.line, passed).map_err(self.files.line_trouble("write"))?;
        }
        let process = self.key.process;
        let next_is_ours = turn::next_awake(line.entries()).is_some_and(|i| line.entries()[i].process == process);
        self.move_wake_file(line, next_is_ours)
    }

    /// Ends a request whatever became of it meanwhile: granted or waiting.
    pub(crate) fn withdraw(&mut self, request: RequestId) -> Result<(), Trouble> {
        if self.key.let_go(request, None) { Ok(()) } else { self.leave(request) }
    }

    /// Takes a ticket of ours out of the line; nothing where it is not in it.
    fn leave(&mut self, request: RequestId) -> Result<(), Trouble> {
        self.key.table().tickets.remove(&request);
        // Not `line()`: that already would take the ticket out, without waking anybody.
        let mut line = Line::read(&self.files.line).map_err(self.files.line_trouble("read"))?;
        let Some(index) = line.find(request) else { return Ok(()) };
        let keeps_place = turn::keeps_place_without(line.entries(), index);
        line.remove(&self.files.line, index).map_err(self.files.line_trouble("write"))?;
        self.move_wake_file(&line, keeps_place)
    }

    /// After a ticket of ours left the line: wakes who slept behind it, unless another one of ours has its place now.
    fn move_wake_file(&mut self, line: &Line, keeps_place: bool) -> Result<(), Trouble> {
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

    /// Wakes who sleeps behind us, because an old ticket behind us goes first now; once for each such ticket. Its process
    /// may sleep on ours, or on one that does so.
    pub(crate) fn step_back_for_aged(&mut self, line: &Line, ours: usize) -> Result<(), Trouble> {
        let ours = &line.entries()[ours];
        let aged = line.entries().iter().filter(|e| e.process != ours.process && e.goes_first_by_age(ours));
        let mut table = self.key.table();
        let mut new = false;
        for entry in aged {
            new |= table.yielded.insert(entry.ticket);
        }
        if new && let Some(wake) = &mut table.wake {
            self.wakes.push(wake.replace(self.files.waiters()?)?);
        }
        Ok(())
    }

    /// Issues a ticket.
    fn queue(&mut self, line: &mut Line, request: &Request) -> Result<Entered, Trouble> {
        self.make_room(line)?;
        let process = self.key.process;
        let files = Arc::clone(&self.files);
        let waiters = files.waiters()?;
        let ticket = Ticket { key: self.key.name.clone(), request: request.id, number: line.number_now() };
        let waiting = Waiting {
            request: request.clone(),
            number: ticket.number,
            since_us: wall_clock_us(),
            slot: line.entries().len(),
            granted: false,
            fault: None,
            ring: Arc::new(Notify::new()),
        };
        {
            let mut table = self.key.table();
            if table.wake.is_none() {
                if line.entries().is_empty() {
                    waiters::sweep(waiters, process)?;
                }
                table.wake = Some(WakeFile::create(waiters, process, &request.owner)?);
            }
            table.tickets.insert(request.id, waiting);
            let appended = table
                .entry_of(request, process, &files)
                .and_then(|entry| line.append(&files.line, entry).map_err(files.line_trouble("write")));
            if let Err(trouble) = appended {
                table.tickets.remove(&request.id);
                drop(table);
                self.move_wake_file(line, true)?;
                return Err(trouble);
            }
        }
        self.ensure_sleeper(line)?;
        Ok(Entered::Queued(ticket, place(line, request.id)))
    }

    /// Refuses to make the line longer than it may be; dead tickets do not count.
    fn make_room(&mut self, line: &mut Line) -> Result<(), Trouble> {
        let max = self.key.config.queue_max;
        if line.entries().len() < max {
            return Ok(());
        }
        let mut processes: Vec<u64> = line.entries().iter().map(|e| e.process).collect();
        processes.sort_unstable();
        processes.dedup();
        for process in processes.into_iter().filter(|&p| p != self.key.process) {
            self.sweep_if_dead(line, process)?;
        }
        let waiting = line.entries().len();
        if waiting < max { Ok(()) } else { Err(Trouble::Full { waiting, max }) }
    }
}

impl Key {
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
        self.grant(files, gate, &request, number)?;
        let ring = {
            let mut table = self.table();
            match table.tickets.get_mut(&request.id) {
                Some(ticket) => {
                    ticket.granted = true;
                    let ring = Arc::clone(&ticket.ring);
                    table.settling.insert(request.id);
                    Some(ring)
                }
                None => None,
            }
        };
        match ring {
            Some(ring) => {
                ring.notify_one();
                Ok(Some(request.id))
            }
            // Withdrawn between the two looks at the table: who withdrew found no lease yet.
            None => {
                self.let_go(request.id, None);
                Ok(None)
            }
        }
    }

    /// Writes down who has the gate, which is locked, and makes it a lease. On an error the gate is given back.
    fn grant(&self, files: &Arc<KeyFiles>, gate: Gate, request: &Request, ticket: u64) -> Result<Lease, Trouble> {
        let (token, since_us) = match write_holder(files, request, ticket) {
            Ok(written) => written,
            Err(trouble) => {
                gate.give_back();
                return Err(trouble);
            }
        };
        let lease = Lease {
            key: self.name.clone(),
            request: request.id,
            token,
            owner: request.owner.clone(),
            ticket,
            deadline: None,
            liveness: Some(Arc::new(gate.file)),
        };
        let held = HeldLease {
            lease: lease.clone(),
            secret: request.secret_hash,
            since_us,
            gate: gate.id,
            files: Arc::clone(files),
        };
        let mut table = self.table();
        table.leases.insert(request.id, held);
        // Under the table's lock, as its release is: an earlier lease of ours cannot let go of this one's. Should a waiter
        // that has just woken still share it, the next head sleeps on the gate instead.
        flock::try_exclusive(&files.baton).map_err(files.holder_trouble("lock the baton beside"))?;
        Ok(lease)
    }

    /// Lets go of a lease of this process; `false` when there is none such. No section: the gate is ours until here.
    pub(crate) fn let_go(&self, request: RequestId, token: Option<FencingToken>) -> bool {
        let mut table = self.table();
        if table.leases.get(&request).is_none_or(|held| token.is_some_and(|t| t != held.lease.token)) {
            return false;
        }
        table.tickets.remove(&request);
        let Some(held) = table.leases.remove(&request) else { return false };
        // A record that stays is a dead holder's: it is not shown once the gate is free.
        if let Err(error) = Record::released(held.lease.token).write(&held.files.holder) {
            tracing::warn!(%error, key = %self.name, "the holder's record could not be cleared");
        }
        // The baton last: who wakes for it finds the gate free.
        for file in held.lease.liveness.as_deref().into_iter().chain([&held.files.baton]) {
            if let Err(error) = flock::unlock(file) {
                tracing::error!(%error, key = %self.name, "the gate could not be unlocked; closing it must do");
            }
        }
        true
    }
}

/// The next token and the time of the grant, written to the holder's record.
fn write_holder(files: &KeyFiles, request: &Request, ticket: u64) -> Result<(FencingToken, u64), Trouble> {
    let last = Record::read(&files.holder).map_err(files.holder_trouble("read"))?.last_token;
    let since_us = wall_clock_us();
    let token = FencingToken::next(last, request.floor, since_us);
    let record = Record::holding(token, request, ticket, since_us);
    record.write(&files.holder).map_err(files.holder_trouble("write"))?;
    Ok((token, since_us))
}

impl crate::key::Table {
    /// Our ticket with this number, if it waits.
    pub(crate) fn waiting_as(&self, number: u64) -> Option<&Waiting> {
        self.tickets.values().find(|ticket| ticket.number == number && !ticket.granted)
    }

    fn any_owner(&self) -> Option<lock_core::Owner> {
        self.tickets.values().find(|t| !t.granted).map(|t| t.request.owner.clone())
    }

    /// The record of a ticket that is in the table.
    fn entry_of(&mut self, request: &Request, process: u64, files: &KeyFiles) -> Result<Entry, Trouble> {
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

/// How many go before the request, as the line stands.
pub(crate) fn place(line: &Line, request: RequestId) -> Place {
    let order = turn::order(line.entries());
    Place { ahead: order.iter().take_while(|&&i| line.entries()[i].request != request).count() }
}
