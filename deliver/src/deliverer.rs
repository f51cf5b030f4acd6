//! The deliverer: lock, surface and journal joined.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lock_core::{AcquireOptions, HeldLeases, Moment, Observer, Priority, TIMEOUT_DEFAULT, TTL_DEFAULT};

use crate::{
    Agent, Delivery, DesktopLocks, Journal, Message, PostponedObserver, Receipt, SendError, Session, Stop, Surface,
    postponed::Sending,
};

/// Connections kept for the next delivery. One is enough for deliveries in a row; a few serve concurrent senders.
const IDLE_SESSIONS_MAX: usize = 4;

/// How long nobody may have used an input device before a delivery, unless set: a pause between two words, not between two
/// thoughts.
pub const IDLE_DEFAULT: Duration = Duration::from_millis(1500);

/// Delivers messages, one at a time per desktop, from any number of tasks.
pub struct Deliverer {
    pub(crate) locks: DesktopLocks,
    surface: Arc<dyn Surface>,
    pub(crate) journal: Arc<Journal>,
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
    /// Who hears the locks' events, where a lock has no observer of its own.
    pub observer: Option<Observer>,
    /// Stops the sending before its paste.
    pub stop: Stop,
    /// How long nobody may have used an input device: a person goes first.
    pub idle: Duration,
    /// Who hears why a delivery is postponed.
    pub postponed: Option<PostponedObserver>,
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
            idle: IDLE_DEFAULT,
            postponed: None,
        }
    }
}

impl SendOptions {
    pub(crate) fn acquire(&self, asked: Moment) -> AcquireOptions {
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
        f.debug_struct("Deliverer").field("locks", &self.locks).finish_non_exhaustive()
    }
}

impl Deliverer {
    /// A deliverer to the agents on `surface`, whose input device is what `locks` guard.
    pub fn new(locks: DesktopLocks, surface: Arc<dyn Surface>, journal: Journal) -> Self {
        Self { locks, surface, journal: Arc::new(journal), idle: Mutex::default() }
    }

    /// What is locked for each delivery.
    #[must_use]
    pub const fn locks(&self) -> &DesktopLocks {
        &self.locks
    }

    /// The record of what was done.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Connects, waits in line, delivers, and passes the lock on. Needs a tokio runtime.
    ///
    /// What passes by itself (a person at work, an open menu, a window over the target) is waited for until the timeout,
    /// as long as nothing was typed: the lock is given back meanwhile, and the place in line kept.
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
        // Who does not want to wait in line wants the delivery all the same.
        let time = if options.timeout.is_zero() { agent.profile.focus_timeout } else { options.timeout };
        let (until, idle) = (asked + time, options.idle);
        let delivery = Delivery { message: message.clone(), agent: agent.clone(), until, idle };
        Sending::new(self, session, delivery, options, asked).run().await
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

    /// A connection that is ready to deliver.
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

    /// Takes back a connection for the next delivery.
    pub(crate) fn keep(&self, session: Box<dyn Session>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_usable() && idle.len() < IDLE_SESSIONS_MAX {
            idle.push(session);
        }
    }
}
