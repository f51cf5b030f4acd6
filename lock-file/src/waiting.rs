//! Waiting in line: the task's side. A thread brings the grant; the task looks for itself now and then.

use std::{pin::pin, sync::Arc, time::Duration};

use lock_core::{FencingToken, Lease, Moment, RequestId, Ticket, Waited, background, flock};

use crate::{
    enter::place,
    entry::{Entry, Rest},
    error::Trouble,
    holder::Record,
    key::{Key, Section},
    key_files::KeyFiles,
    line::{Header, Line},
    stopped, turn,
};

/// A live waiter that leaves a free lock lying for this long is passed over.
const PASS_OVER_AFTER: Duration = Duration::from_secs(2);

/// What a waiter has seen of the gate.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Held at that time, by whomever.
    Held { at: Moment },
    /// Free since then, and after the lease with this token.
    Free { since: Moment, last_token: FencingToken },
}

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
        let mut pauses = self.config.sweep.pauses();
        let mut pause = move || Moment::now() + pauses.next().unwrap_or(PASS_OVER_AFTER);
        let (mut sight, mut sweep_at) = (Sight::Held { at: Moment::now() }, pause());
        loop {
            if let Outcome::Granted(lease) = self.outcome(ticket.request)? {
                return Ok(Waited::Granted(lease));
            }
            if until.is_past() {
                return self.still_queued(ticket.request);
            }
            ring_or(&ring, sweep_at.min(until)).await?;
            if sweep_at.is_past() {
                let pass_at = self.look(ticket.request, &mut sight).await?;
                sweep_at = pass_at.into_iter().fold(pause(), Moment::min);
            }
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

    /// The sweep: looks whether all is as it should be, with a handful of reads however long the line is, and puts right
    /// what is not. Says when to look again at the latest.
    async fn look(self: &Arc<Self>, request: RequestId, sight: &mut Sight) -> Result<Option<Moment>, Trouble> {
        let files = self.files();
        let in_order = match &files {
            Some(files) => self.is_in_order(files, request)?,
            None => false,
        };
        if !in_order {
            self.in_section(|section| section.put_right()).await?;
        }
        let Some(files) = files else { return Ok(None) };
        *sight = seen(&files, *sight)?;
        let Sight::Free { since, .. } = *sight else { return Ok(None) };
        let pass_at = since + PASS_OVER_AFTER;
        if !pass_at.is_past() {
            return Ok(Some(pass_at));
        }
        self.in_section(move |section| section.pass_over(request, since)).await
    }

    fn is_in_order(&self, files: &KeyFiles, request: RequestId) -> Result<bool, Trouble> {
        let header = Header::read(&files.line).map_err(files.line_trouble("read"))?;
        let (slot, epoch) = {
            let table = self.table();
            let Some(ticket) = table.tickets.get(&request) else { return Ok(true) };
            let wake_in_place = table.wake.as_ref().map_or(Ok(false), |wake| wake.is_in_place(files.waiters()?))?;
            let nobody_sleeps = table.gate_sleeper.is_none() && table.sleepers.is_empty() && !table.starting;
            if !wake_in_place || (nobody_sleeps && !ticket.granted) {
                return Ok(false);
            }
            (ticket.slot, table.epoch)
        };
        if header.is_none_or(|h| h.epoch != epoch) || !files.are_in_place()? {
            return Ok(false);
        }
        if let Some(gate) = self.table().gate_sleeper
            && !files.names_gate(gate)?
        {
            return Ok(false);
        }
        let entry = Entry::read(&files.line, slot).map_err(files.line_trouble("read"))?;
        if let Some(entry) = entry.filter(|e| e.request == request) {
            return Ok(entry.is_awake());
        }
        // It moved into the hole of one that left; seldom, for each only moves towards the front.
        let line = Line::read(&files.line).map_err(files.line_trouble("read"))?;
        let Some(slot) = line.find(request) else { return Ok(false) };
        if let Some(ticket) = self.table().tickets.get_mut(&request) {
            ticket.slot = slot;
        }
        Ok(true)
    }
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
                    e.rest = if stopped::is_stopped(e) { Rest::Stopped } else { Rest::Asleep };
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

/// Sleeps until the ring or until then.
async fn ring_or(ring: &tokio::sync::Notify, until: Moment) -> Result<(), Trouble> {
    let (mut rung, mut timer) = (pin!(ring.notified()), pin!(background::sleep_until(until)));
    std::future::poll_fn(|context| {
        if rung.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(Ok(()));
        }
        timer.as_mut().poll(context).map(|slept| slept.map_err(|_| Trouble::Background))
    })
    .await
}

/// Whether the gate is free, and since when. A held one is not disturbed by the question; a free one is locked for an
/// instant, and only while somebody waits for it.
fn seen(files: &KeyFiles, before: Sight) -> Result<Sight, Trouble> {
    let Some(gate) = files.existing_gate()? else { return Ok(Sight::Held { at: Moment::now() }) };
    if !flock::try_exclusive(&gate).map_err(Trouble::io("look at", files.gate_path()))? {
        return Ok(Sight::Held { at: Moment::now() });
    }
    flock::unlock(&gate).map_err(Trouble::io("unlock", files.gate_path()))?;
    let record = Record::read(&files.holder).map_err(files.holder_trouble("read"))?;
    let last_token = record.last_token;
    let at = match before {
        Sight::Free { last_token: same, .. } if same == last_token => return Ok(before),
        Sight::Free { since: at, .. } | Sight::Held { at } => at,
    };
    // A release since the last look counts from its own time; a holder that died, or a program outside talkstick that let
    // go, from now.
    let released = Moment::from_since_boot_ns(record.released_ns);
    let since = if released > at { released } else { Moment::now() };
    Ok(Sight::Free { since, last_token })
}
