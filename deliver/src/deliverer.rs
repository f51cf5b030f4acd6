//! The deliverer: lock, surface and journal joined.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lock_core::{
    AcquireOptions, DistributedLock, DistributedLockExt, Guard, HeldLeases, LockKey, Moment, Observer, Priority,
    TIMEOUT_DEFAULT, TTL_DEFAULT,
};

use crate::{
    Agent, Delivery, Evidence, Journal, Message, Outcome, Receipt, SendError, Session, State, Stop, Surface,
    desktop::{Refusal, Step},
};

/// Connections kept for the next delivery. One is enough for deliveries in a row; a few serve concurrent senders.
const IDLE_SESSIONS_MAX: usize = 4;

/// Delivers messages, one at a time per key, from any number of tasks.
pub struct Deliverer {
    lock: Arc<dyn DistributedLock>,
    key: LockKey,
    surface: Arc<dyn Surface>,
    journal: Arc<Journal>,
    idle: Mutex<Vec<Box<dyn Session>>>,
}

/// How to send.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Before whom.
    pub priority: Priority,
    /// How long until the paste at most, the wait in line included. Zero: do not wait in line.
    pub timeout: Duration,
    /// How users call the setting behind the timeout, for the error that tells them to raise it.
    pub timeout_setting: &'static str,
    /// How long the lease may go without renewal, where leases expire.
    pub ttl: Duration,
    /// Who the process speaks for.
    pub label: String,
    /// Leases that the process may work under.
    pub held: HeldLeases,
    /// Who hears the lock's events.
    pub observer: Option<Observer>,
    /// Stops the sending before its paste.
    pub stop: Stop,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            priority: Priority::default(),
            timeout: TIMEOUT_DEFAULT,
            timeout_setting: "the timeout",
            ttl: TTL_DEFAULT,
            label: String::new(),
            held: HeldLeases::default(),
            observer: None,
            stop: Stop::default(),
        }
    }
}

impl SendOptions {
    fn acquire(&self, asked: Moment) -> AcquireOptions {
        let options = AcquireOptions::default()
            .priority(self.priority)
            .timeout((asked + self.timeout).remaining())
            .timeout_setting(self.timeout_setting)
            .ttl(self.ttl)
            .label(&self.label)
            .held(self.held.clone());
        match &self.observer {
            Some(observer) => options.observer(observer.clone()),
            None => options,
        }
    }
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").field("lock", &self.lock).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Deliverer {
    /// A deliverer to the agents on `surface`, whose input device is what `key` locks.
    pub fn new(lock: Arc<dyn DistributedLock>, key: LockKey, surface: Arc<dyn Surface>, journal: Journal) -> Self {
        Self { lock, key, surface, journal: Arc::new(journal), idle: Mutex::default() }
    }

    /// What is locked for each delivery.
    #[must_use]
    pub const fn key(&self) -> &LockKey {
        &self.key
    }

    /// The record of what was done.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Connects, waits in line, delivers, and passes the lock on. Needs a tokio runtime.
    ///
    /// A message whose id was given and that was typed into this agent before is not typed again: its recorded receipt
    /// is returned.
    ///
    /// # Errors
    /// [`SendError`]: the delivery did not begin. Whatever came of one that did is in the receipt.
    ///
    /// # Cancel safety
    /// Dropped in line, it leaves the line and nothing was typed. Dropped later, the delivery goes on to its end in the
    /// background; its receipt is in the journal.
    pub async fn send(&self, message: &Message, agent: &Agent, options: &SendOptions) -> Result<Receipt, SendError> {
        let asked = Moment::now();
        agent.surface.check_built()?;
        if !agent.profile.multiline && message.text().contains('\n') {
            return Err(SendError::Newlines { agent: agent.name.clone(), profile: agent.profile.name.clone() });
        }
        // Before the lock: a slow connection must not hold up the line.
        let session = self.session(message).await?;
        let began = Moment::now();
        let guard = match self.stand_in_line(asked, options).await {
            Ok(guard) => guard,
            Err(error) => {
                self.keep(session);
                return Err(error);
            }
        };
        // Who does not want to wait in line wants the delivery all the same.
        let time = if options.timeout.is_zero() { agent.profile.focus_timeout } else { options.timeout };
        let delivery = Delivery { message: message.clone(), agent: agent.clone(), until: asked + time };
        let task = Task {
            delivery,
            guard,
            session,
            waited: began.elapsed(),
            journal: Arc::clone(&self.journal),
            stop: options.stop.clone(),
        };
        // On a thread of its own, with the guard inside: a caller that is dropped meanwhile cuts nothing in the middle.
        let done = tokio::task::spawn_blocking(move || task.run()).await;
        let (guard, session, receipt) =
            done.map_err(|source| SendError::Thread { id: message.id().clone(), source })?;
        self.keep(session);
        let released = guard.release().await;
        let mut receipt = receipt?;
        if let Err(error) = released {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the lock was not released");
            receipt.evidence.push(Evidence { step: Step::Release, seen: format!("not released: {error}") });
        }
        Ok(receipt)
    }

    /// Sends each message to its agent, in order, each with its own place in line, over one connection.
    ///
    /// # Cancel safety
    /// As [`Deliverer::send`]; those after it are not sent.
    pub async fn send_many(
        &self,
        messages: &[(Message, Agent)],
        options: &SendOptions,
    ) -> Vec<Result<Receipt, SendError>> {
        let mut receipts = Vec::with_capacity(messages.len());
        for (message, agent) in messages {
            receipts.push(self.send(message, agent, options).await);
        }
        receipts
    }

    async fn stand_in_line(&self, asked: Moment, options: &SendOptions) -> Result<Guard, SendError> {
        let acquire = options.acquire(asked);
        tokio::select! {
            biased;
            by = options.stop.wait() => Err(SendError::Stopped(by)),
            guard = self.lock.acquire(&self.key, &acquire) => guard.map_err(SendError::Lock),
        }
    }

    async fn session(&self, message: &Message) -> Result<Box<dyn Session>, SendError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(session) = idle {
            return Ok(session);
        }
        let surface = Arc::clone(&self.surface);
        let connected = tokio::task::spawn_blocking(move || surface.connect()).await;
        let connected = connected.map_err(|source| SendError::Thread { id: message.id().clone(), source })?;
        connected.map_err(SendError::Surface)
    }

    fn keep(&self, session: Box<dyn Session>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_usable() && idle.len() < IDLE_SESSIONS_MAX {
            idle.push(session);
        }
    }
}

/// One delivery under the lock, on its own thread.
struct Task {
    delivery: Delivery,
    guard: Guard,
    session: Box<dyn Session>,
    waited: Duration,
    journal: Arc<Journal>,
    stop: Stop,
}

impl Task {
    fn run(mut self) -> (Guard, Box<dyn Session>, Result<Receipt, SendError>) {
        let receipt = self.deliver();
        (self.guard, self.session, receipt)
    }

    fn deliver(&mut self) -> Result<Receipt, SendError> {
        let began = Moment::now();
        let Delivery { message, agent, .. } = &self.delivery;
        if let Some(recorded) = self.recorded()? {
            return Ok(recorded);
        }
        let permit = self.guard.permit();
        let mut entry = self.journal.begin(message, &agent.name, &permit).map_err(SendError::Journal)?;
        let unsent = entry.unsent_before().map_err(SendError::Journal)?;
        let outcome = match self.stop.requested() {
            Some(by) => Outcome::rejected(Refusal::Stopped(by).reason()),
            None => self.session.deliver(&self.delivery, &permit, &mut entry, &self.stop),
        };
        let outcome = match unsent {
            Some(earlier) => outcome.glued_to(&earlier),
            None => outcome,
        };
        let mut receipt = Receipt::new(message.id().clone(), &agent.name, outcome);
        receipt.token = Some(permit.token());
        receipt.ticket = Some(permit.ticket());
        receipt.waited = whole_microseconds(self.waited);
        receipt.took = whole_microseconds(began.elapsed());
        if let Err(error) = entry.finish(&receipt) {
            // What was done stays true; only a later look at the journal will know less of it.
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the outcome was not recorded");
            receipt.evidence.push(Evidence { step: Step::Release, seen: format!("outcome not recorded: {error}") });
        }
        Ok(receipt)
    }

    /// The receipt of an earlier delivery under the same id that typed, or may have. Looked for under the lock: two
    /// senders of one id come one after the other.
    fn recorded(&self) -> Result<Option<Receipt>, SendError> {
        let Delivery { message, agent, .. } = &self.delivery;
        if !message.id_was_given() {
            return Ok(None);
        }
        let recorded = self.journal.recorded(message.id(), &agent.name).map_err(SendError::Journal)?;
        let Some(recorded) = recorded else { return Ok(None) };
        if recorded.digest != message.digest() {
            return Err(SendError::Conflict { id: message.id().clone(), agent: agent.name.clone() });
        }
        Ok((recorded.state != State::Rejected).then(|| recorded.into_receipt()))
    }
}

/// As the journal keeps it, so that a receipt reads back as it was given.
const fn whole_microseconds(span: Duration) -> Duration {
    Duration::from_micros(span.as_micros() as u64)
}
