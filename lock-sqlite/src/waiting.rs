//! Waiting in line: the task's side. A thread brings the grant; now and then the task looks whether all is well.

use std::{sync::Arc, time::Duration};

use lock_core::{
    Lease, Moment, Place, RequestId, Ticket, Waited, background, process_is_stopped,
    turn::{self, InLine},
};

use crate::{
    change::Change,
    entry::Rest,
    error::Trouble,
    key::Key,
    near, queries,
    sweep::{Found, Watch},
};

/// A live waiter that leaves a free lock lying for this long is passed over.
pub(crate) const PASS_OVER_AFTER: Duration = Duration::from_secs(2);

impl Key {
    /// See [`lock_core::DistributedLock::wait`].
    pub(crate) async fn wait(self: &Arc<Self>, ticket: &Ticket, until: Moment) -> Result<Waited, Trouble> {
        let ring = {
            let table = self.table();
            Arc::clone(&table.tickets.get(&ticket.request).ok_or(Trouble::NoTicket)?.ring)
        };
        let mut watch = Watch::new(self, ticket);
        let mut next = watch.next();
        loop {
            if let Some(lease) = self.outcome(ticket.request)? {
                return Ok(Waited::Granted(lease));
            }
            if until.is_past() {
                return self.place(ticket.request).await.map(Waited::Queued);
            }
            tokio::select! {
                () = ring.notified() => continue,
                slept = background::sleep_until(next.min(until)) => slept.map_err(|_| Trouble::Background)?,
            }
            if until.is_past() {
                continue;
            }
            let found = watch.look(self)?;
            let due = match found {
                Some(found) => self.see_to(ticket.request, found).await?,
                None => None,
            };
            next = due.unwrap_or_else(|| watch.next());
        }
    }

    /// Puts right what the sweep found. Says when it should look again.
    async fn see_to(self: &Arc<Self>, request: RequestId, found: Found) -> Result<Option<Moment>, Trouble> {
        match found {
            Found::Disorder => self.changed(|change| change.put_right()).await.map(|()| None),
            Found::Free { since } => self.changed(move |change| change.pass_over(request, since)).await,
        }
    }

    fn outcome(&self, request: RequestId) -> Result<Option<Lease>, Trouble> {
        let mut table = self.table();
        if let Some(held) = table.leases.get(&request) {
            let lease = held.lease.clone();
            table.tickets.remove(&request);
            return Ok(Some(lease));
        }
        let ticket = table.tickets.get_mut(&request).ok_or(Trouble::NoTicket)?;
        ticket.fault.take().map_or(Ok(None), |fault| Err(Trouble::Sleeper(fault)))
    }

    async fn place(self: &Arc<Self>, request: RequestId) -> Result<Place, Trouble> {
        let (number, priority) = {
            let table = self.table();
            let ticket = table.tickets.get(&request).ok_or(Trouble::NoTicket)?;
            (ticket.number, ticket.request.priority)
        };
        let key = Arc::clone(self);
        self.looked(move |database| {
            let place = near::place_of(&database.connection, &key.name, (request, priority, number));
            place.map_err(Trouble::sql("read", &key.store.path))
        })
        .await
    }
}

impl Change<'_> {
    /// Puts our tickets back, our file in its place, and a thread where it is woken in time.
    fn put_right(&mut self) -> Result<(), Trouble> {
        let mut line = self.line()?;
        {
            let mut table = self.key.table();
            let batons = &self.writer.database.opened.batons;
            if let Some(place) = &mut table.wake
                && !batons.is_in_place(crate::layout::Kind::Line, place)?
            {
                batons.replace(crate::layout::Kind::Line, place)?.let_go();
            }
        }
        self.ensure_sleeper(&mut line)
    }

    /// Takes the lock for the request although others go first: they have left it free since `since`, so they sleep. The
    /// first one behind them may do so after [`PASS_OVER_AFTER`], the next after twice that, should that one sleep too.
    /// They keep their numbers. Says when to look again.
    fn pass_over(&mut self, request: RequestId, since: Moment) -> Result<Option<Moment>, Trouble> {
        let mut line = self.line()?;
        loop {
            let awake: Vec<usize> = turn::order(&line).into_iter().filter(|&i| line[i].is_awake()).collect();
            let Some(position) = awake.iter().position(|&i| line[i].request == request) else { return Ok(None) };
            let mut ahead: Vec<u64> = awake[..position].iter().map(|&i| line[i].process).collect();
            ahead.sort_unstable();
            ahead.dedup();
            if ahead.contains(&self.key.table().process()) {
                return Ok(None);
            }
            if ahead.is_empty() {
                return self.ensure_sleeper(&mut line).map(|()| None);
            }
            let mut died = false;
            for &process in &ahead {
                died |= self.sweep_if_dead(&mut line, process)?.is_none();
            }
            if died {
                continue;
            }
            let due = since + PASS_OVER_AFTER * u32::try_from(ahead.len()).unwrap_or(u32::MAX);
            if !due.is_past() {
                return Ok(Some(due));
            }
            let record = self.record()?;
            if self.is_held(record.as_ref())? {
                return Ok(None);
            }
            for entry in line.iter_mut().filter(|e| ahead.contains(&e.process) && e.is_awake()) {
                let stopped = process_is_stopped(entry.pid, entry.start) == Some(true);
                entry.rest = if stopped { Rest::Stopped } else { Rest::Asleep };
                let (db, name) = (&self.writer.database.connection, &self.key.name);
                queries::set_rest(db, name, entry.ticket, entry.rest).map_err(self.sql("write to"))?;
            }
            return self.grant_ticket(record, &mut line, awake[position]).map(|()| None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{holds, keys, waits};

    /// However its tickets stand between those of others.
    #[test]
    fn each_process_that_sleeps_ahead_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, second, ours] = keys(folder.path());
        holds(&holder, 1);
        let waiters = [(2, &first), (3, &second), (4, &first), (5, &ours)];
        waiters.iter().for_each(|(id, key)| waits(key, *id));
        let since = Moment::now();
        let due = ours.change(|change| change.pass_over(RequestId(5), since)).unwrap();
        assert_eq!(due, Some(since + PASS_OVER_AFTER * 2));
        // The threads that sleep for them end.
        waiters.iter().for_each(|(id, key)| key.abandon(RequestId(*id)));
        assert!(holder.let_go(RequestId(1), None));
    }
}
