//! One message on its way: in line, under the lock, and back in line when what passes by itself was in the way.
//!
//! A postponed sender keeps its place: it comes back to the line with the number that it had. So that those who wait for
//! the same thing come back in their order, they stand in a line of their own meanwhile: the lock on a key beside the
//! desktop's. Its head alone looks at the desktop, and holds it until its next attempt is over. Who waits for a window over
//! one agent stands in that agent's line, and is in nobody else's way.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLockExt as _, Error, Gate, Guard, LockKey, Moment, StackGuard};

use crate::{
    Deliverer, Delivery, Evidence, Receipt, SendError, SendOptions, Session, State, Waiting,
    desktop::{Hindrance, Refusal, Step},
    task::{Done, Task, whole_microseconds},
};

/// One message on its way.
pub(crate) struct Sending<'a> {
    deliverer: &'a Deliverer,
    delivery: Delivery,
    options: &'a SendOptions,
    asked: Moment,
    /// How to stand in line: anew, or where we stood.
    line: AcquireOptions,
    session: Option<Box<dyn Session>>,
    /// Time in line and postponed.
    waited: Duration,
    waiting: Waiting,
    /// The others who wait for the same come after this.
    turn: Option<(LockKey, Guard)>,
    /// What earlier attempts met.
    met: Vec<Met>,
    /// What the last attempt ended with.
    last: Option<Receipt>,
}

/// One kind of hindrance, and how long it was waited for.
struct Met {
    what: String,
    code: String,
    span: Duration,
    times: u32,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        deliverer: &'a Deliverer,
        session: Box<dyn Session>,
        delivery: Delivery,
        options: &'a SendOptions,
        asked: Moment,
    ) -> Self {
        Self {
            waiting: Waiting::new(delivery.until, &options.stop, options.postponed.as_ref()),
            line: options.acquire(asked),
            session: Some(session),
            deliverer,
            delivery,
            options,
            asked,
            waited: Duration::ZERO,
            turn: None,
            met: Vec::new(),
            last: None,
        }
    }

    /// Sends it, to the end.
    pub(crate) async fn run(mut self) -> Result<Receipt, SendError> {
        let _ends_the_wait = self.waiting.ends_with();
        let sent = self.until_settled().await;
        if let Some(session) = self.session.take() {
            self.deliverer.keep(session);
        }
        if let Some((_, turn)) = self.turn.take() {
            warn_unreleased(turn.release().await);
        }
        sent
    }

    async fn until_settled(&mut self) -> Result<Receipt, SendError> {
        loop {
            let guard = match (self.stand_in_line().await, self.last.take()) {
                (Ok(guard), _) => guard,
                // The time went by with what was in the way, not with the line.
                (Err(SendError::Lock(Error::TimedOut { .. })), Some(last)) => return Ok(self.give_up(last, None)),
                (Err(error), _) => return Err(error),
            };
            if let Some(receipt) = self.attempt(guard).await? {
                return Ok(receipt);
            }
        }
    }

    /// One attempt; `None` when what was in the way has passed.
    async fn attempt(&mut self, guard: StackGuard) -> Result<Option<Receipt>, SendError> {
        self.waiting.attempts += 1;
        let done = self.under_the_lock(guard).await?;
        let place = done.guard.leases().fold(self.options.acquire(self.asked), AcquireOptions::place_of);
        self.session = Some(done.session);
        let released = done.guard.release().await;
        let mut receipt = done.receipt?;
        if let Err(error) = released {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the lock was not released");
            receipt.evidence.push(Evidence { step: Step::Release, seen: format!("not released: {error}") });
        }
        let Some(hindrance) = done.postponed else { return Ok(Some(receipt)) };
        self.line = place;
        self.postpone(hindrance, receipt).await
    }

    async fn under_the_lock(&mut self, guard: StackGuard) -> Result<Done, SendError> {
        let id = self.delivery.message.id();
        let Some(session) = self.session.take() else { unreachable!("each attempt gives its session back") };
        let task = Task {
            delivery: self.delivery.clone(),
            guard,
            session,
            journal: Arc::clone(&self.deliverer.journal),
            stop: self.options.stop.clone(),
            waited: self.waited,
            may_wait: !self.options.timeout.is_zero(),
            evidence: self.met.iter().map(Met::evidence).collect(),
        };
        // On a thread of its own, with the guard inside: a caller that is dropped meanwhile cuts nothing in the middle.
        let done = tokio::task::spawn_blocking(move || task.run()).await;
        done.map_err(|source| SendError::Thread { id: id.clone(), source })
    }

    /// Waits until what was in the way has passed; the receipt if it does not in time.
    async fn postpone(&mut self, hindrance: Hindrance, receipt: Receipt) -> Result<Option<Receipt>, SendError> {
        let began = Moment::now();
        tracing::debug!(%receipt, "postponed");
        let passed = match self.take_turn(hindrance).await {
            Ok(()) => self.await_passed().await?,
            Err(SendError::Lock(Error::TimedOut { .. })) => Err(None),
            Err(error) => return Err(error),
        };
        self.waited += began.elapsed();
        self.note(&receipt, began.elapsed());
        match passed {
            Ok(()) => {
                self.last = Some(receipt);
                Ok(None)
            }
            Err(still) => Ok(Some(self.give_up(receipt, still))),
        }
    }

    /// Stands in the line of those who wait for the same, unless it is ours already.
    async fn take_turn(&mut self, hindrance: Hindrance) -> Result<(), SendError> {
        let Gate { lock, key: desktop, .. } = self.deliverer.locks.0.first().clone();
        let key = line_beside(&desktop, hindrance, &self.delivery.agent.name);
        if self.turn.as_ref().is_some_and(|(ours, _)| *ours == key) {
            return Ok(());
        }
        if let Some((_, other)) = self.turn.take() {
            warn_unreleased(other.release().await);
        }
        let Self { options, delivery, .. } = &*self;
        let line = AcquireOptions::default().priority(options.priority).ttl(options.ttl).label(&options.label);
        let line = line.timeout(delivery.until.remaining());
        let guard = tokio::select! {
            biased;
            by = options.stop.wait() => return Err(SendError::Stopped(by)),
            guard = lock.acquire(&key, &line) => guard.map_err(SendError::Lock)?,
        };
        self.turn = Some((key, guard));
        Ok(())
    }

    /// Has the session look at the desktop, on a thread of its own that ends with this wait.
    async fn await_passed(&mut self) -> Result<Result<(), Option<Refusal>>, SendError> {
        let Some(mut session) = self.session.take() else { unreachable!("each attempt gives its session back") };
        let waiting = self.waiting.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let passed = session.await_passed(&waiting);
            (session, passed)
        });
        let (session, passed) = tokio::select! {
            biased;
            by = self.options.stop.wait() => return Err(SendError::Stopped(by)),
            looked = looked => {
                let id = self.delivery.message.id();
                looked.map_err(|source| SendError::Thread { id: id.clone(), source })?
            }
        };
        self.session = Some(session);
        match passed {
            Ok(()) => Ok(Ok(())),
            Err(still) if still.hindrance().is_some() => Ok(Err(Some(still))),
            Err(other) => Err(SendError::Surface(other)),
        }
    }

    async fn stand_in_line(&mut self) -> Result<StackGuard, SendError> {
        let began = Moment::now();
        let line = self.line.clone().timeout((self.asked + self.options.timeout).remaining());
        let guard = tokio::select! {
            biased;
            by = self.options.stop.wait() => Err(SendError::Stopped(by)),
            guard = self.deliverer.locks.0.acquire(&line) => guard.map_err(SendError::Lock),
        };
        self.waited += began.elapsed();
        guard
    }

    fn note(&mut self, receipt: &Receipt, span: Duration) {
        let Some(reason) = &receipt.reason else { return };
        match self.met.iter_mut().find(|met| met.code == reason.code) {
            Some(met) => {
                met.span += span;
                met.times += 1;
            }
            None => {
                let (what, code) = (reason.message.clone(), reason.code.clone().into_owned());
                self.met.push(Met { what, code, span, times: 1 });
            }
        }
    }

    /// What is known when the time is up: the last thing in the way, and for how long it was waited.
    fn give_up(&self, mut receipt: Receipt, still: Option<Refusal>) -> Receipt {
        debug_assert_eq!(receipt.state, State::Rejected);
        receipt.waited = whole_microseconds(self.waited);
        receipt.evidence = self.met.iter().map(Met::evidence).collect();
        let reason = still.map(|refusal| refusal.reason()).or(receipt.reason.take());
        receipt.reason = reason.map(|mut reason| {
            reason.message.push_str("; waited for it until the timeout, nothing was typed");
            reason
        });
        receipt
    }
}

impl Met {
    fn evidence(&self) -> Evidence {
        let Self { what, span, times, .. } = self;
        let times = if *times > 1 { format!(" in {times} waits") } else { String::new() };
        Evidence { step: Step::Watch, seen: format!("postponed for {:.1} s{times}: {what}", span.as_secs_f64()) }
    }
}

/// The line of those who wait for the same thing to pass.
fn line_beside(key: &LockKey, hindrance: Hindrance, agent: &str) -> LockKey {
    let text = match hindrance {
        Hindrance::Desktop => format!("{key}/postponed"),
        Hindrance::Target => format!("{key}/postponed/{agent}"),
    };
    LockKey::for_text(&text)
}

fn warn_unreleased(released: Result<(), Error>) {
    if let Err(error) = released {
        tracing::warn!(%error, "the turn of the postponed was not released");
    }
}
