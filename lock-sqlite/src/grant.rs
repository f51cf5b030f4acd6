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
    near, queries,
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
        let others_are_ours = line.iter().any(|e| e.process == granted.process);
        self.effects.wake = WakeMove::without(others_are_ours, next_is_ours);
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
        let (db, key) = (&self.database().connection, &self.key.name);
        let entry = queries::entry(db, key, number).map_err(self.sql("read"))?;
        let Some(entry) = entry.filter(|entry| entry.request == request) else { return Ok(()) };
        let wake = near::place_without(db, key, &entry).map_err(self.sql("read"))?;
        queries::remove(db, key, number).map_err(self.sql("write to"))?;
        self.effects.wake = wake;
        Ok(())
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

    /// Ends a request without the database, whatever becomes of it right now. The ticket goes first: a grant that finds none
    /// is given back, and one that came before is let go of.
    pub(crate) fn abandon(&self, request: RequestId) {
        self.forget_ticket(request);
        self.let_go(request, None);
    }

    /// Leaves the line without the database: where our last ticket goes, the fall of our place says it to the others, and
    /// else the next change takes the row out.
    fn forget_ticket(&self, request: RequestId) {
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

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ffi};

    use super::*;
    use crate::testing::{holds, keys, waits};

    /// What SQLite has stepped through since the last call, in all statements of the connection.
    fn steps(db: &Connection) -> i32 {
        let (mut steps, mut statement) = (0, std::ptr::null_mut());
        loop {
            // SAFETY: the connection is open and not used meanwhile; the walk begins at null and ends there.
            statement = unsafe { ffi::sqlite3_next_stmt(db.handle(), statement) };
            if statement.is_null() {
                return steps;
            }
            // SAFETY: a statement of an open connection; its count is set back.
            steps += unsafe { ffi::sqlite3_stmt_status(statement, ffi::SQLITE_STMTSTATUS_VM_STEP, 1) };
        }
    }

    /// The steps of leaving from the middle of a line of so many tickets of another client.
    fn steps_to_leave(others: u128) -> i32 {
        let folder = tempfile::tempdir().unwrap();
        let [other, own] = keys(folder.path());
        holds(&other, 1);
        (0..others / 2).for_each(|id| waits(&other, 100 + id));
        waits(&own, 2);
        (others / 2..others).for_each(|id| waits(&other, 100 + id));
        let took = own.change(|change| {
            steps(&change.database().connection);
            change.withdraw(RequestId(2))?;
            assert_eq!(change.effects.wake, WakeMove::Remove);
            Ok(steps(&change.database().connection))
        });
        // The threads that sleep for them end.
        assert!(other.let_go(RequestId(1), None));
        (0..others).for_each(|id| other.forget_ticket(RequestId(100 + id)));
        took.unwrap()
    }

    #[test]
    fn leaving_costs_the_same_in_a_line_of_a_thousand() {
        let (short, long) = (steps_to_leave(8), steps_to_leave(1000));
        assert!(short > 0 && long < 2 * short, "{long} steps instead of {short}");
    }
}
