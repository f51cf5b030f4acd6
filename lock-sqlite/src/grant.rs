//! Granting a lease, letting go of it, and leaving the line.

use lock_core::{
    FencingToken, Lease, Request, RequestId,
    turn::{self, InLine},
    wall_clock_us,
};

use crate::{
    change::{Change, WakeMove},
    entry::{Entry, Record},
    error::Trouble,
    key::{HeldLease, Key},
    layout::Kind,
    queries,
};

impl Change<'_> {
    /// Grants the lock, which is free, to a request that never stood in line.
    pub(crate) fn grant_newcomer(
        &mut self,
        record: Option<Record>,
        request: &Request,
        number: u64,
    ) -> Result<Lease, Trouble> {
        let held = self.write_lease(record, request, number)?;
        let lease = held.lease.clone();
        self.effects.lease = Some((held, false));
        Ok(lease)
    }

    /// Grants the lock, which is free, to the ticket at `index`, which is ours. Of the line, what [`Change::near`] gives will do.
    pub(crate) fn grant_ticket(
        &mut self,
        record: Option<Record>,
        line: &mut Vec<Entry>,
        index: usize,
    ) -> Result<(), Trouble> {
        let granted = line.remove(index);
        let request = self.key.table().tickets.get(&granted.request).map(|ticket| ticket.request.clone());
        let request = request.ok_or(Trouble::NoTicket)?;
        let db = &self.database().connection;
        queries::remove(db, &self.key.name, granted.ticket).map_err(self.sql("write to"))?;
        queries::count_passed(db, &self.key.name, granted.ticket).map_err(self.sql("write to"))?;
        line.iter_mut().filter(|e| e.ticket < granted.ticket && e.is_awake()).for_each(|e| e.passed += 1);
        let held = self.write_lease(record, &request, granted.ticket)?;
        self.effects.lease = Some((held, true));
        let next_is_ours = turn::next_awake(line).is_some_and(|i| line[i].process == granted.process);
        self.move_place(line, granted.process, next_is_ours);
        Ok(())
    }

    /// Writes down who has the lock from now on; its baton is locked before.
    fn write_lease(&mut self, record: Option<Record>, request: &Request, ticket: u64) -> Result<HeldLease, Trouble> {
        let baton = match self.writer.spare.take() {
            Some(spare) => spare,
            None => self.batons().prepare(Kind::Lease)?,
        };
        self.batons().name(Kind::Lease, &baton)?;
        let since_us = wall_clock_us();
        let (last_token, last_ticket) = record.as_ref().map(|r| (r.last_token, r.last_ticket)).unwrap_or_default();
        let token = FencingToken::next(last_token, request.floor, since_us);
        let lease = Lease {
            key: self.key.name.clone(),
            request: request.id,
            token,
            owner: request.owner.clone(),
            ticket,
            deadline: None,
            liveness: Some(std::sync::Arc::clone(&baton.file)),
        };
        self.effects.bury = record.map(|record| record.baton);
        let record = Record {
            last_token: token,
            last_ticket: last_ticket.max(ticket),
            request: request.id,
            baton: baton.number,
            ticket,
            secret: request.secret_hash,
            since_us,
            owner: request.owner.clone(),
            broken: false,
        };
        let written = queries::write_record(&self.database().connection, &self.key.name, &record);
        let opened = std::sync::Arc::clone(&self.database().opened);
        let held = HeldLease { lease, baton, opened };
        if let Err(error) = written {
            // Its baton has a name, and nobody has heard of it.
            self.effects.lease = Some((held, false));
            return Err(self.sql("write to")(error));
        }
        Ok(held)
    }

    /// Ends a request whatever became of it meanwhile: granted or waiting.
    pub(crate) fn withdraw(&mut self, request: RequestId) -> Result<(), Trouble> {
        if self.key.let_go(request, None) { Ok(()) } else { self.leave(request) }
    }

    /// Takes a ticket of ours out of the line; nothing where it is not in it.
    fn leave(&mut self, request: RequestId) -> Result<(), Trouble> {
        let number = self.key.table().tickets.get(&request).map(|ticket| ticket.number);
        let Some(number) = number else { return Ok(()) };
        self.effects.gone = Some(request);
        let db = &self.database().connection;
        let mut line = queries::line(db, &self.key.name).map_err(self.sql("read"))?;
        let Some(index) = line.iter().position(|e| e.ticket == number && e.request == request) else { return Ok(()) };
        let keeps_place = turn::keeps_place_without(&line, index);
        queries::remove(db, &self.key.name, number).map_err(self.sql("write to"))?;
        let process = line.remove(index).process;
        self.move_place(&line, process, keeps_place);
        Ok(())
    }

    /// After a ticket of ours left the line: wakes who slept behind it, unless another one of ours has its place now.
    fn move_place(&mut self, line: &[Entry], process: u64, keeps_place: bool) {
        self.effects.wake = if !line.iter().any(|e| e.process == process) {
            WakeMove::Remove
        } else if keeps_place {
            WakeMove::Keep
        } else {
            WakeMove::Replace
        };
    }

    /// Wakes who sleeps behind us, because an old ticket of another process goes first now by its age; once for each such
    /// ticket. Its process may sleep on ours, or on one that does so.
    pub(crate) fn step_back_for_aged(&mut self, line: &[Entry], ours: usize) {
        let aged: Vec<u64> = turn::overtaken_by_age(line, ours).collect();
        let mut table = self.key.table();
        let known = table.yielded.len();
        table.yielded.extend(aged);
        if table.yielded.len() > known {
            self.effects.wake = WakeMove::Replace;
        }
    }
}

impl Key {
    /// Lets go of a lease of this process; `false` when there is none such. Needs no database: the next grant writes over
    /// its row.
    pub(crate) fn let_go(&self, request: RequestId, token: Option<FencingToken>) -> bool {
        let mut table = self.table();
        if table.leases.get(&request).is_none_or(|held| token.is_some_and(|t| t != held.lease.token)) {
            return false;
        }
        table.tickets.remove(&request);
        let Some(held) = table.leases.remove(&request) else { return false };
        drop(table);
        held.baton.let_go();
        // The next head may have been woken onto this processor: it goes first now, and we go on with what is not urgent.
        std::thread::yield_now();
        true
    }

    /// Leaves the line without the database: where our last ticket goes, the fall of our place says it to the others, and
    /// else the next change takes the row out.
    pub(crate) fn forget_ticket(&self, request: RequestId) {
        let mut table = self.table();
        table.tickets.remove(&request);
        if table.waiting().next().is_none()
            && let Some(place) = table.wake.take()
        {
            drop(table);
            place.let_go();
        }
    }
}
