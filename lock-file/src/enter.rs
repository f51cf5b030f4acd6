//! Entering: the line as this process has it, and a place in it.

use std::{collections::HashSet, sync::Arc};

use lock_core::{
    Entered, Place, Request, RequestId, Ticket, process_is_stopped,
    turn::{self, InLine},
    wall_clock_us,
};
use tokio::sync::Notify;

use crate::{
    entry::{Entry, Rest},
    error::Trouble,
    key::Section,
    key_files::Gate,
    line::Line,
    table::Waiting,
    waiters::{self, Life, WakeFile},
};

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

    pub(crate) fn enter_line(&mut self, line: &mut Line, request: &Request) -> Result<Entered, Trouble> {
        if let Some(answer) = self.answer_again(request.id, line) {
            return Ok(answer);
        }
        if self.is_clear(line)?
            && let Some(gate) = self.try_gate_patiently()?
            && !self.gives_way(line, &gate)?
        {
            let number = self.number(line, request).inspect_err(|_| gate.give_back())?;
            return self.key.grant_newcomer(&self.files, gate, request, number).map(Entered::Granted);
        }
        self.queue(line, request)
    }

    /// The line, with this process's tickets in it exactly as its table has them. [`Section::keep`] keeps its memory.
    pub(crate) fn line(&mut self) -> Result<Line, Trouble> {
        let mut line = std::mem::take(&mut *self.turn);
        line.read_again(&self.files.line).map_err(self.files.line_trouble("read"))?;
        self.take_out_unsettled(&mut line)?;
        let process = self.key.process;
        let mut ours = 0;
        let (waiting, changed) = {
            let mut table = self.key.table();
            for entry in line.entries() {
                ours += usize::from(entry.process == process && !table.settling.contains(&entry.request));
            }
            let waiting = table.tickets.values().filter(|t| !t.granted).count();
            let rebuilt = std::mem::replace(&mut table.epoch, line.epoch()) != line.epoch();
            (waiting, rebuilt || (waiting > 0 && table.wake.is_none()))
        };
        self.wake_who_runs(&mut line)?;
        if ours != waiting || (changed && waiting > 0) {
            self.put_back(&mut line)?;
        }
        Ok(line)
    }

    /// Whoever runs is awake, we are, and who was stopped is when it runs again: its place is its own from then on. Says whether
    /// there was any.
    fn wake_who_runs(&self, line: &mut Line) -> Result<bool, Trouble> {
        if line.entries().iter().all(InLine::is_awake) {
            return Ok(false);
        }
        let runs = |e: &Entry| {
            e.process == self.key.process
                || (e.rest == Rest::Stopped && process_is_stopped(e.pid, e.start) == Some(false))
        };
        let mut any = false;
        let woken = |e: &mut Entry| {
            !e.is_awake() && runs(e) && {
                e.rest = Rest::Awake;
                any = true;
                true
            }
        };
        line.update(&self.files.line, woken).map_err(self.files.line_trouble("write"))?;
        Ok(any)
    }

    /// Whether somebody runs again that was stopped when the line was read; the gate is given back then, for it may go first.
    /// Asked with the gate in hand: who ran again before the last release goes before who takes the lock behind that.
    pub(crate) fn gives_way(&self, line: &mut Line, gate: &Gate) -> Result<bool, Trouble> {
        let woken = self.wake_who_runs(line).inspect_err(|_| gate.give_back())?;
        if woken {
            gate.give_back();
        }
        Ok(woken)
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

    /// Issues a ticket.
    fn queue(&mut self, line: &mut Line, request: &Request) -> Result<Entered, Trouble> {
        self.make_room(line)?;
        let process = self.key.process;
        let files = Arc::clone(&self.files);
        let waiters = files.waiters()?;
        let number = self.number(line, request)?;
        let ticket = Ticket { key: self.key.name.clone(), request: request.id, number };
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

/// How many go before the request, as the line stands.
pub(crate) fn place(line: &Line, request: RequestId) -> Place {
    let order = turn::order(line.entries());
    Place { ahead: order.iter().take_while(|&&i| line.entries()[i].request != request).count() }
}
