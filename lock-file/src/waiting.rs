//! Waiting in line: the task's side. One thread brings the grant, another one looks now and then whether all is well.

use std::{sync::Arc, time::Duration};

use lock_core::{
    Lease, Moment, RequestId, Ticket, Waited, process_is_stopped,
    turn::{self, InLine},
};

use crate::{
    enter::place,
    entry::{Entry, Rest},
    error::Trouble,
    key::{Key, Section},
    line::Line,
    sweep::{Found, Watch},
};

/// A live waiter that leaves a free lock lying for this long is passed over.
pub(crate) const PASS_OVER_AFTER: Duration = Duration::from_secs(2);

/// How long files may be in disorder, as they are while somebody deletes them one after the other.
const FILES_GONE_MAX: Duration = Duration::from_secs(2);

/// How a ticket fares.
enum Outcome {
    Granted(Lease),
    Waiting,
}

impl Key {
    /// See [`lock_core::DistributedLock::wait`].
    pub(crate) async fn wait(self: &Arc<Self>, ticket: &Ticket, until: Moment) -> Result<Waited, Trouble> {
        let ring = {
            let table = self.table();
            let waiting = table.tickets.get(&ticket.request).ok_or(Trouble::NoTicket)?;
            Arc::clone(&waiting.ring)
        };
        let watch = Arc::new(Watch::new(self, ticket.request, &ring, until));
        watch.start(None)?;
        let mut files_gone_since = None;
        loop {
            if let Outcome::Granted(lease) = self.outcome(ticket.request)? {
                return Ok(Waited::Granted(lease));
            }
            if until.is_past() {
                return self.still_queued(ticket.request);
            }
            let files = self.files();
            let seen_to = match watch.found() {
                Ok(None) => {
                    ring.notified().await;
                    continue;
                }
                Ok(Some(found)) => self.see_to(ticket.request, found).await,
                Err(trouble) => Err(trouble),
            };
            match seen_to {
                Ok(look_at) => {
                    files_gone_since = None;
                    watch.start(look_at)?;
                }
                // Whoever deletes them has not come to their end; then the next look makes them anew.
                Err(_) if self.lost_its_files(files.as_ref()) && is_brief(&mut files_gone_since) => {
                    watch.start(None)?
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Puts right what the sweep found. Says when it should look again at the latest.
    async fn see_to(self: &Arc<Self>, request: RequestId, found: Found) -> Result<Option<Moment>, Trouble> {
        match found {
            Found::Disorder => self.in_section(|section| section.put_right()).await.map(|()| None),
            Found::Free { since } => self.in_section(move |section| section.pass_over(request, since)).await,
        }
    }

    fn outcome(&self, request: RequestId) -> Result<Outcome, Trouble> {
        let mut table = self.table();
        if let Some(held) = table.leases.get(&request) {
            let lease = held.lease.clone();
            table.tickets.remove(&request);
            return Ok(Outcome::Granted(lease));
        }
        let ticket = table.tickets.get_mut(&request).ok_or(Trouble::NoTicket)?;
        ticket.fault.take().map_or(Ok(Outcome::Waiting), |fault| Err(Trouble::Sleeper(fault)))
    }

    fn still_queued(&self, request: RequestId) -> Result<Waited, Trouble> {
        let files = self.files().ok_or(Trouble::NoTicket)?;
        let line = Line::read(&files.line).map_err(files.line_trouble("read"))?;
        Ok(Waited::Queued(place(&line, request)))
    }
}

fn is_brief(gone_since: &mut Option<Moment>) -> bool {
    gone_since.get_or_insert_with(Moment::now).elapsed() < FILES_GONE_MAX
}

impl Section<'_> {
    /// Puts our tickets back, our wake file in its place, and a thread where it is woken in time.
    fn put_right(&mut self) -> Result<(), Trouble> {
        let mut line = self.line()?;
        {
            let mut table = self.key.table();
            let waiters = self.files.waiters()?;
            if let Some(wake) = &mut table.wake
                && !wake.is_in_place(waiters)?
            {
                self.wakes.push(wake.replace(waiters)?);
            }
        }
        self.ensure_sleeper(&mut line)
    }

    /// Takes the gate for the request although others go first: they have left it free since `since`, so they sleep.
    /// The first one behind them may do so after [`PASS_OVER_AFTER`], the next after twice that, should that one sleep
    /// too. They keep their numbers. Says when to look again.
    fn pass_over(&mut self, request: RequestId, since: Moment) -> Result<Option<Moment>, Trouble> {
        let mut line = self.line()?;
        loop {
            let awake: Vec<usize> =
                turn::order(line.entries()).into_iter().filter(|&i| line.entries()[i].is_awake()).collect();
            let Some(position) = awake.iter().position(|&i| line.entries()[i].request == request) else {
                return Ok(None);
            };
            let mut ahead: Vec<u64> = awake[..position].iter().map(|&i| line.entries()[i].process).collect();
            ahead.sort_unstable();
            ahead.dedup();
            if ahead.contains(&self.key.process) {
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
            let Some(gate) = self.try_gate()? else { return Ok(None) };
            let asleep = |e: &mut Entry| {
                let passed = ahead.contains(&e.process) && e.is_awake();
                if passed {
                    e.rest =
                        if process_is_stopped(e.pid, e.start) == Some(true) { Rest::Stopped } else { Rest::Asleep };
                }
                passed
            };
            let marked = line.update(&self.files.line, asleep).map_err(self.files.line_trouble("write"));
            if let Err(trouble) = marked {
                gate.give_back();
                return Err(trouble);
            }
            self.grant_ticket(gate, &mut line, awake[position])?;
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{holds, key, waits};

    /// However its tickets stand between those of others.
    #[test]
    fn each_process_that_sleeps_ahead_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, second, ours] = [1, 2, 3, 4].map(|process| key(folder.path(), process));
        holds(&holder, 1);
        for (id, key) in [(2, &first), (3, &second), (4, &first), (5, &ours)] {
            waits(key, id);
        }
        let since = Moment::now();
        let due = ours.section().unwrap().pass_over(RequestId(5), since).unwrap();
        assert_eq!(due, Some(since + PASS_OVER_AFTER * 2));
    }
}
