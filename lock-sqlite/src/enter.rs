//! Entering: the line as the database has it, and a place in it.

use std::{collections::HashSet, sync::Arc};

use lock_core::{
    Entered, Place, Priority, Request, RequestId, Ticket, process_is_stopped, queue,
    turn::{self, InLine},
    wall_clock_us,
};
use tokio::sync::Notify;

use crate::{
    baton::Life,
    change::Change,
    entry::{Entry, Record, Rest},
    error::Trouble,
    key::Waiting,
    layout::Kind,
    near, queries,
};

impl Change<'_> {
    /// Answers a request: the lock if it is free and nobody goes first, else a place in line.
    pub(crate) fn enter(&mut self, request: &Request) -> Result<Entered, Trouble> {
        if self.key.table().is_withdrawn(request.id) {
            return Err(Trouble::Withdrawn);
        }
        if let Some(entered) = self.enter_behind_ours(request)? {
            return Ok(entered);
        }
        let line = self.near()?;
        if let Some(answer) = self.answer_again(request.id)? {
            return Ok(answer);
        }
        self.enter_line(line, request)
    }

    pub(crate) fn enter_line(&mut self, mut line: Vec<Entry>, request: &Request) -> Result<Entered, Trouble> {
        let record = self.record()?;
        let number = self.number(record.as_ref(), request, line.is_empty())?;
        if !self.is_held(record.as_ref())? {
            // Behind that look: who ran again before the release goes first.
            self.wake_who_runs(&mut line)?;
            if self.is_clear(line)? {
                return self.grant_newcomer(record, request, number).map(Entered::Granted);
            }
        }
        self.queue(record, request, number)
    }

    /// The line, with this process's tickets in it exactly as its table has them.
    pub(crate) fn line(&mut self) -> Result<Vec<Entry>, Trouble> {
        let mut line = queries::line(&self.database().connection, &self.key.name).map_err(self.sql("read"))?;
        let (process, waiting) = {
            let table = self.key.table();
            (table.process(), table.waiting().count())
        };
        let ours = line.iter().filter(|e| e.process == process).count();
        if ours != waiting || (waiting > 0 && process == 0) {
            self.put_back(&mut line)?;
        }
        self.wake_who_runs(&mut line)?;
        Ok(line)
    }

    /// Whoever runs is awake, we are, and who was stopped is when it runs again: its place is its own from then on. Says whether
    /// there was any.
    pub(crate) fn wake_who_runs(&self, line: &mut [Entry]) -> Result<bool, Trouble> {
        let process = self.key.table().process();
        let mut any = false;
        for entry in line.iter_mut().filter(|e| !e.is_awake()) {
            let runs_again = || process_is_stopped(entry.pid, entry.start) == Some(false);
            if entry.process == process || (entry.rest == Rest::Stopped && runs_again()) {
                entry.rest = Rest::Awake;
                any = true;
                let woken = queries::set_rest(&self.database().connection, &self.key.name, entry.ticket, entry.rest);
                woken.map_err(self.sql("write to"))?;
            }
        }
        Ok(any)
    }

    /// Makes the line agree with the table: takes out what a failed withdrawal left, puts back what a new database lost.
    fn put_back(&mut self, line: &mut Vec<Entry>) -> Result<(), Trouble> {
        let waiting: Vec<Waiting> = self.key.table().waiting().cloned().collect();
        let ids: HashSet<RequestId> = waiting.iter().map(|ticket| ticket.request.id).collect();
        let process = self.key.table().process();
        self.remove_all(line, |e| e.process == process && !ids.contains(&e.request))?;
        let present: HashSet<RequestId> = line.iter().map(|e| e.request).collect();
        for ticket in waiting.iter().filter(|ticket| !present.contains(&ticket.request.id)) {
            line.push(self.insert(ticket)?);
        }
        Ok(())
    }

    /// Puts a ticket of ours in line, behind a file that is locked by now.
    pub(crate) fn insert(&mut self, ticket: &Waiting) -> Result<Entry, Trouble> {
        let entry = Entry {
            ticket: ticket.number,
            request: ticket.request.id,
            process: self.place()?,
            pid: std::process::id(),
            start: ticket.request.owner.start,
            since_us: ticket.since_us,
            passed: 0,
            priority: ticket.request.priority,
            rest: Rest::Awake,
        };
        let inserted = queries::insert(&self.database().connection, &self.key.name, &entry, &ticket.request);
        inserted.map_err(self.sql("write to"))?;
        Ok(entry)
    }

    /// The number of our place in line, which is made where there is none.
    fn place(&mut self) -> Result<u64, Trouble> {
        let known = self.key.table().wake.as_ref().map(|place| place.number);
        if let Some(number) = known {
            return Ok(number);
        }
        let length = queries::length(&self.database().connection, &self.key.name).map_err(self.sql("read"))?;
        // Where nobody else waits, a look at the whole folder is soon done.
        self.effects.sweep = length == 0;
        let place = self.batons().prepare(Kind::Line)?;
        self.batons().name(Kind::Line, &place)?;
        Ok(self.key.table().wake.insert(place).number)
    }

    /// The answer to a request that was answered before and is sent again.
    fn answer_again(&self, request: RequestId) -> Result<Option<Entered>, Trouble> {
        let (number, priority) = {
            let mut table = self.key.table();
            if let Some(held) = table.leases.get(&request) {
                let lease = held.lease.clone();
                table.tickets.remove(&request);
                return Ok(Some(Entered::Granted(lease)));
            }
            let Some(ticket) = table.tickets.get(&request) else { return Ok(None) };
            (ticket.number, ticket.request.priority)
        };
        let place = self.place_of(request, priority, number)?;
        Ok(Some(Entered::Queued(Ticket { key: self.key.name.clone(), request, number }, place)))
    }

    fn place_of(&self, request: RequestId, priority: Priority, number: u64) -> Result<Place, Trouble> {
        let place = near::place_of(&self.database().connection, &self.key.name, (request, priority, number));
        place.map_err(self.sql("read"))
    }

    /// The row of the key.
    pub(crate) fn record(&self) -> Result<Option<Record>, Trouble> {
        queries::record(&self.database().connection, &self.key.name).map_err(self.sql("read"))
    }

    /// Whether the last lease still lives.
    pub(crate) fn is_held(&self, record: Option<&Record>) -> Result<bool, Trouble> {
        let Some(record) = record else { return Ok(false) };
        Ok(matches!(self.batons().life(Kind::Lease, record.baton)?, Life::Alive(..)))
    }

    /// The number of a request that asks now: grows for ever, and comes back with who had it.
    fn number(&mut self, record: Option<&Record>, request: &Request, alone: bool) -> Result<u64, Trouble> {
        let last = record.map_or(0, |record| record.last_ticket);
        let in_line = match alone {
            true => 0,
            false => queries::last_ticket(&self.database().connection, &self.key.name).map_err(self.sql("read"))?,
        };
        let next = wall_clock_us().max(last.max(in_line).saturating_add(1));
        let Some(asked) = request.number else { return Ok(next) };
        let process = queries::process_of(&self.database().connection, &self.key.name, asked);
        let is_in_line = match process.map_err(self.sql("read"))? {
            None => false,
            Some(ours) if ours == self.key.table().process() => true,
            // A dead process's ticket uses no number.
            Some(process) => self.sweep_if_dead(&mut Vec::new(), process)?.is_some(),
        };
        let is_held = record.is_some_and(|record| record.ticket == asked) && self.is_held(record)?;
        Ok(queue::number(Some(asked), next, |_asked| is_in_line || is_held))
    }

    /// Whether no live waiter goes first. Dead ones that would go next are swept away.
    fn is_clear(&mut self, mut line: Vec<Entry>) -> Result<bool, Trouble> {
        while let Some(next) = turn::next_awake(&line) {
            let process = line[next].process;
            if process == self.key.table().process() || self.sweep_if_dead(&mut line, process)?.is_some() {
                return Ok(false);
            }
            line = self.near()?;
        }
        Ok(true)
    }

    /// The file of a live process, to sleep on; `None` when the process was dead, and its tickets are gone now.
    pub(crate) fn sweep_if_dead(&mut self, line: &mut Vec<Entry>, process: u64) -> Result<Option<Life>, Trouble> {
        let life = self.batons().life(Kind::Line, process)?;
        if matches!(life, Life::Alive(..)) {
            return Ok(Some(life));
        }
        let removed = queries::remove_process(&self.database().connection, &self.key.name, process);
        removed.map_err(self.sql("write to"))?;
        line.retain(|e| e.process != process);
        self.batons().bury(Kind::Line, process);
        Ok(None)
    }

    /// Takes out all tickets that `gone` names.
    fn remove_all(&self, line: &mut Vec<Entry>, gone: impl Fn(&Entry) -> bool) -> Result<(), Trouble> {
        for entry in line.extract_if(.., |entry| gone(entry)) {
            queries::remove(&self.database().connection, &self.key.name, entry.ticket).map_err(self.sql("write to"))?;
        }
        Ok(())
    }

    /// Issues a ticket.
    fn queue(&mut self, record: Option<Record>, request: &Request, number: u64) -> Result<Entered, Trouble> {
        self.make_room()?;
        let waiting = Waiting {
            request: request.clone(),
            number,
            since_us: wall_clock_us(),
            granted: false,
            fault: None,
            ring: Arc::new(Notify::new()),
        };
        self.insert(&waiting)?;
        if record.is_some() {
            queries::issued(&self.database().connection, &self.key.name, number).map_err(self.sql("write to"))?;
        }
        self.effects.queued = Some(waiting);
        let mut line = self.near_as_written()?;
        self.ensure_sleeper(&mut line)?;
        let ticket = Ticket { key: self.key.name.clone(), request: request.id, number };
        Ok(Entered::Queued(ticket, self.place_of(request.id, request.priority, number)?))
    }

    /// Refuses to make the line longer than it may be; dead tickets do not count.
    fn make_room(&mut self) -> Result<(), Trouble> {
        let max = self.key.store.config.queue_max;
        let length = |change: &Self| {
            queries::length(&change.database().connection, &change.key.name).map_err(change.sql("read"))
        };
        if length(self)? < max {
            return Ok(());
        }
        let mut line = self.line()?;
        let ours = self.key.table().process();
        let processes: HashSet<u64> = line.iter().map(|e| e.process).filter(|&process| process != ours).collect();
        for process in processes {
            self.sweep_if_dead(&mut line, process)?;
        }
        let waiting = length(self)?;
        if waiting < max { Ok(()) } else { Err(Trouble::Full { waiting, max }) }
    }
}

/// How many go before the request, as the line stands.
pub(crate) fn place(line: &[Entry], request: RequestId) -> Place {
    let order = turn::order(line);
    Place { ahead: order.iter().take_while(|&&i| line[i].request != request).count() }
}
