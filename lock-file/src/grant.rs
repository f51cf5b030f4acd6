//! Taking the gate, granting it, letting go, and leaving the line.

use std::sync::Arc;

use lock_core::{FencingToken, Lease, Request, RequestId, flock, wall_clock_us};

use crate::{
    entry::Entry,
    error::Trouble,
    holder::Record,
    key::{HeldLease, Key, REPLACED_MAX, Section},
    key_files::Gate,
    line::Line,
    turn,
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
        Err(Trouble::Unsteady { path: self.files.gate_path().to_owned() })
    }

    /// Writes down who has the gate, which is locked, and makes it a lease. On an error the gate is given back.
    pub(crate) fn grant(&mut self, gate: Gate, request: &Request, ticket: u64) -> Result<Lease, Trouble> {
        match self.write_holder(request, ticket) {
            Ok((token, since_us)) => {
                let lease = Lease {
                    key: self.key.name.clone(),
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
                    files: Arc::clone(&self.files),
                };
                let mut table = self.key.table();
                table.leases.insert(request.id, held);
                // Under the table's lock, as its release is: an earlier lease of ours cannot let go of this one's. Should
                // a waiter that has just woken still share it, the next head sleeps on the gate instead.
                flock::try_exclusive(&self.files.baton).map_err(self.files.holder_trouble("lock the baton beside"))?;
                Ok(lease)
            }
            Err(trouble) => {
                gate.give_back();
                Err(trouble)
            }
        }
    }

    fn write_holder(&self, request: &Request, ticket: u64) -> Result<(FencingToken, u64), Trouble> {
        let last = Record::read(&self.files.holder).map_err(self.files.holder_trouble("read"))?.last_token;
        let since_us = wall_clock_us();
        let token = FencingToken::next(last, request.floor, since_us);
        let record = Record::holding(token, request, ticket, since_us);
        record.write(&self.files.holder).map_err(self.files.holder_trouble("write"))?;
        Ok((token, since_us))
    }

    /// Grants the gate, which is locked, to the ticket at `index`, which is ours. The lease goes to its task first; the
    /// line is put in order and the next sleepers are woken afterwards.
    pub(crate) fn grant_ticket(&mut self, gate: Gate, line: &mut Line, index: usize) -> Result<(), Trouble> {
        let entry = line.entries()[index];
        let Some(request) = self.key.table().tickets.get(&entry.request).map(|t| t.request.clone()) else {
            gate.give_back();
            return Ok(());
        };
        self.grant(gate, &request, entry.ticket)?;
        if let Some(ticket) = self.key.table().tickets.get_mut(&entry.request) {
            ticket.granted = true;
            ticket.ring.notify_one();
        }
        let trouble = self.files.line_trouble("write");
        line.remove(&self.files.line, index).map_err(trouble)?;
        let passed = |e: &mut Entry| {
            let passed = e.ticket < entry.ticket && e.is_awake();
            e.passed += u32::from(passed);
            passed
        };
        line.update(&self.files.line, passed).map_err(self.files.line_trouble("write"))?;
        let next_is_ours = turn::next_awake(line.entries()).is_some_and(|i| line.entries()[i].process == entry.process);
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
