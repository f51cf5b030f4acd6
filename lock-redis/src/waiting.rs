//! Entering and waiting: the client's side of the line.

use std::{future::Future, pin::Pin, sync::Arc, task::Poll, time::Duration};

use lock_core::{Entered, FencingToken, Lease, Moment, Priority, Request, RequestId, Ticket, Waited, background};

use crate::{
    backend::{Client, renewal},
    config::Address,
    deadline::{deadline, ttl_ms},
    error::Trouble,
    keys::Keys,
    line::Waiter,
    link::Answer,
    replicas::Again,
    reply::{self, Standing},
    scripts::{ENTER, REFRESH, RENEW},
};

/// How long who waits in line bears a server that is away: a restart or a failover takes seconds.
pub(crate) const OUTAGE_MAX: Duration = Duration::from_secs(10);

/// How many requests one call of the sweep speaks for, so that no script keeps the server for long.
const BATCH_MAX: usize = 500;

impl Client {
    pub(crate) async fn enter(&self, key: &lock_core::LockKey, request: &Request) -> Result<Entered, Trouble> {
        // The redis crate sends to the nodes of a Cluster again by itself.
        let sent_unseen = matches!(self.link.config.address, Address::Cluster { .. });
        let waiter = self.line.add(key, request, self.link.config.sweep, sent_unseen);
        let entered = self.enter_as(&waiter, request.number).await;
        if !matches!(entered, Ok(Entered::Queued(..))) {
            self.line.remove(request.id);
        }
        entered
    }

    /// Has a request that waits take the number that it has on another server.
    pub(crate) async fn take_number(&self, request: RequestId, number: u64) -> Result<Entered, Trouble> {
        let waiter = self.line.get(request).ok_or(Trouble::NoTicket)?;
        let entered = self.enter_as(&waiter, Some(number)).await;
        if matches!(entered, Ok(Entered::Granted(_))) {
            self.line.remove(request);
        }
        entered
    }

    async fn enter_as(&self, waiter: &Waiter, number: Option<u64>) -> Result<Entered, Trouble> {
        let Waiter { key, request, .. } = waiter;
        let owner = serde_json::to_string(&request.owner).map_err(|_| self.strange(ENTER.name))?;
        let asked = [
            request.id.to_string(),
            class_of(request.priority).to_string(),
            ttl_ms(request.ttl)?.to_string(),
            request.floor.to_string(),
            hex(&request.secret_hash.0),
            owner,
            self.channel.clone(),
            number.map(|number| number.to_string()).unwrap_or_default(),
            self.link.config.queue_max.to_string(),
        ];
        let arguments = || (&asked, if waiter.count_sending() { "1" } else { "" });
        let answer = self.link.call_with(&ENTER, &Keys::of(&self.link.config, key), arguments).await?;
        waiter.count_answer();
        match Standing::read(&answer.value) {
            Some(Standing::Granted { token, number }) => {
                self.is_kept(&answer, waiter, token).await?;
                Ok(Entered::Granted(lease(waiter, token, number, answer.sent)))
            }
            Some(Standing::Queued { number, place, holder_ends }) => {
                waiter.hear(number, place, holder_ends);
                Ok(Entered::Queued(Ticket { key: key.clone(), request: request.id, number }, place))
            }
            Some(Standing::Broken { token }) => Err(Trouble::Broken(token)),
            Some(Standing::Full { waiting }) => Err(Trouble::Full { waiting, max: self.link.config.queue_max }),
            Some(Standing::Withdrawn) => Err(Trouble::Withdrawn),
            Some(Standing::Missing) | None => Err(self.strange(ENTER.name)),
        }
    }

    /// See [`lock_core::DistributedLock::wait`].
    pub(crate) async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Trouble> {
        let waiter = self.line.get(ticket.request).ok_or(Trouble::NoTicket)?;
        let _listening = waiter.listen();
        let told = waiter.news().place;
        loop {
            let (lease, broken, missing, place, due, failing) = {
                let mut news = waiter.news();
                let (broken, missing) = (news.broken.take(), std::mem::take(&mut news.missing));
                (news.lease.take(), broken, missing, news.place, news.due, news.failing_since.is_some())
            };
            if let Some(lease) = lease {
                self.line.remove(ticket.request);
                return Ok(Waited::Granted(lease));
            }
            if let Some(token) = broken {
                return Err(Trouble::Broken(token));
            }
            if missing {
                if let Some(lease) = self.enter_again(&waiter, until).await? {
                    self.line.remove(ticket.request);
                    return Ok(Waited::Granted(lease));
                }
                continue;
            }
            if !failing && (place != told || until.is_past()) {
                return Ok(Waited::Queued(place));
            }
            if due.is_past() {
                self.sweep(&waiter, until).await?;
                continue;
            }
            tokio::select! {
                () = waiter.ring.notified() => {}
                slept = background::sleep_until(due.min(until)) => slept?,
            }
        }
    }

    /// Stands in line again with the number that it had: the server took the silent waiter for dead, or lost its data.
    async fn enter_again(&self, waiter: &Waiter, until: Moment) -> Result<Option<Lease>, Trouble> {
        let number = waiter.news().number;
        tracing::debug!(key = %waiter.key, number, "back in line");
        match self.enter_as(waiter, Some(number)).await {
            Ok(Entered::Granted(lease)) => Ok(Some(lease)),
            Ok(Entered::Queued(..)) => Ok(None),
            Err(trouble) => {
                {
                    let mut news = waiter.news();
                    news.missing = true;
                    news.failing_since.get_or_insert_with(Moment::now);
                }
                self.bear(waiter, until, trouble)?;
                background::sleep_until(until.min(Moment::now() + self.link.config.sweep.first)).await?;
                Ok(None)
            }
        }
    }

    /// Speaks for all waiters of this client that are due, the caller's among them.
    async fn sweep(&self, own: &Waiter, until: Moment) -> Result<(), Trouble> {
        let batches = self.line.take_due(self.link.config.sweep);
        let chunks: Vec<&[Arc<Waiter>]> = batches.iter().flat_map(|batch| batch.chunks(BATCH_MAX)).collect();
        let calls = chunks.iter().map(|batch| self.refresh(batch));
        let mut failure = None;
        for refreshed in all(calls).await {
            failure = failure.or(refreshed.err());
        }
        match failure {
            Some(trouble) => self.bear(own, until, trouble),
            None => Ok(()),
        }
    }

    /// One key's batch. What the server says goes to each waiter; they are rung if there is something to see.
    async fn refresh(&self, batch: &[Arc<Waiter>]) -> Result<(), Trouble> {
        let Some(first) = batch.first() else { return Ok(()) };
        let tickets: Vec<String> = batch.iter().map(|waiter| waiter.ticket()).collect();
        let answered = self.link.call(&REFRESH, &Keys::of(&self.link.config, &first.key), &tickets).await;
        let answer = answered.inspect_err(|_| batch.iter().for_each(|waiter| waiter.fails()))?;
        let standings = reply::list(&answer.value).filter(|list| list.len() == batch.len());
        let standings: Option<Vec<Standing>> = standings.and_then(|list| list.iter().map(Standing::read).collect());
        let standings = standings.ok_or_else(|| self.strange(REFRESH.name))?;
        // One at most: it is one lock.
        let granted = batch.iter().zip(&standings).find_map(|(waiter, standing)| match standing {
            Standing::Granted { token, .. } => Some((waiter, *token)),
            _ => None,
        });
        let kept = match granted {
            Some((waiter, token)) => self.is_kept(&answer, waiter, token).await,
            None => Ok(()),
        };
        for (waiter, standing) in batch.iter().zip(standings) {
            match standing {
                Standing::Granted { token, number } if kept.is_ok() => {
                    let mut news = waiter.news();
                    (news.lease, news.failing_since) = (Some(lease(waiter, token, number, answer.sent)), None);
                }
                Standing::Broken { token } => waiter.news().broken = Some(token),
                // It stays the holder, and is asked again for as long as an outage is borne.
                Standing::Granted { .. } => waiter.fails(),
                Standing::Queued { number, place, holder_ends } => waiter.hear(number, place, holder_ends),
                Standing::Missing => waiter.news().missing = true,
                Standing::Full { .. } | Standing::Withdrawn => return Err(self.strange(REFRESH.name)),
            }
            waiter.ring.notify_one();
        }
        kept
    }

    /// Waits until as many replicas as configured have this grant.
    async fn is_kept(&self, answer: &Answer, waiter: &Waiter, token: FencingToken) -> Result<(), Trouble> {
        let arguments = renewal(waiter.request.id, token, waiter.request.ttl)?;
        let keys = Keys::of(&self.link.config, &waiter.key);
        self.link.await_replicas(answer, Again { script: &RENEW, keys: &keys, arguments: &arguments }).await
    }

    /// Whether to go on in spite of `trouble`.
    fn bear(&self, waiter: &Waiter, until: Moment, trouble: Trouble) -> Result<(), Trouble> {
        let since = waiter.news().failing_since;
        let borne = since.is_none_or(|since| since.elapsed() < OUTAGE_MAX) && !until.is_past();
        if !(trouble.may_pass() && borne) {
            return Err(trouble);
        }
        tracing::debug!(key = %waiter.key, error = %trouble, "still waiting");
        Ok(())
    }
}

impl Waiter {
    /// As it stands in line: `member` of `lua/queue.lua`.
    fn ticket(&self) -> String {
        format!("{}{:016}{}", class_of(self.request.priority), self.news().number, self.request.id)
    }

    /// The server could not be asked, or its word does not count.
    fn fails(&self) {
        self.news().failing_since.get_or_insert_with(Moment::now);
    }

    fn hear(&self, number: u64, place: lock_core::Place, holder_ends: Option<Duration>) {
        let mut news = self.news();
        (news.number, news.place, news.failing_since) = (number, place, None);
        if let Some(span) = holder_ends {
            // One more: the server rounds to milliseconds.
            news.due = news.due.min(Moment::now() + span + Duration::from_millis(1));
        }
    }
}

fn lease(waiter: &Waiter, token: lock_core::FencingToken, ticket: u64, sent: Moment) -> Lease {
    let Waiter { key, request, .. } = waiter;
    Lease {
        key: key.clone(),
        request: request.id,
        token,
        owner: request.owner.clone(),
        ticket,
        deadline: Some(deadline(sent, request.ttl)),
        liveness: None,
    }
}

/// The class of a priority: they sort ascending on the server, the best one first.
fn class_of(priority: Priority) -> usize {
    Priority::ALL.iter().rev().position(|p| *p == priority).unwrap_or_default()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The outputs of all futures, which run beside each other.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs = Vec::with_capacity(running.len());
    std::future::poll_fn(|context| {
        running.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}
