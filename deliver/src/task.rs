//! One attempt of a delivery: from the lock to the outcome in the journal.

use std::{sync::Arc, time::Duration};

use lock_core::{Moment, StackGuard};

use crate::{
    Delivery, Evidence, Journal, Outcome, Receipt, SendError, Session, State, Stop,
    desktop::{Hindrance, Refusal, Step},
};

/// One attempt of a delivery under the lock, on its own thread.
pub(crate) struct Task {
    pub(crate) delivery: Delivery,
    pub(crate) guard: StackGuard,
    pub(crate) session: Box<dyn Session>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) stop: Stop,
    /// Time in line and postponed.
    pub(crate) waited: Duration,
    /// Whether there is time to wait for what is in the way.
    pub(crate) may_wait: bool,
    /// What earlier attempts met.
    pub(crate) evidence: Vec<Evidence>,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) guard: StackGuard,
    pub(crate) session: Box<dyn Session>,
    pub(crate) receipt: Result<Receipt, SendError>,
    /// Nothing was typed, and whom it hinders passes by itself.
    pub(crate) postponed: Option<Hindrance>,
}

impl Task {
    pub(crate) fn run(mut self) -> Done {
        let (receipt, postponed) = match self.deliver() {
            Ok((receipt, postponed)) => (Ok(receipt), postponed),
            Err(error) => (Err(error), None),
        };
        Done { guard: self.guard, session: self.session, receipt, postponed }
    }

    fn deliver(&mut self) -> Result<(Receipt, Option<Hindrance>), SendError> {
        let began = Moment::now();
        let Delivery { message, agent, .. } = &self.delivery;
        if let Some(recorded) = self.recorded()? {
            return Ok((recorded, None));
        }
        let permit = self.guard.permit();
        let mut entry = self.journal.begin(message, &agent.name, &permit).map_err(SendError::Journal)?;
        let outcome = match self.stop.requested() {
            Some(by) => Outcome::rejected(Refusal::Stopped(by).reason()),
            None => self.session.deliver(&self.delivery, &permit, &mut entry, &self.stop),
        };
        let mut receipt = Receipt::new(message.id().clone(), &agent.name, outcome);
        receipt.token = Some(permit.token());
        receipt.ticket = Some(permit.ticket());
        receipt.waited = whole_microseconds(self.waited);
        receipt.took = whole_microseconds(began.elapsed());
        receipt.evidence.splice(..0, std::mem::take(&mut self.evidence));
        let hindrance = self.session.hindrance().filter(|_| receipt.state == State::Rejected && self.may_wait);
        let postponed = hindrance.filter(|_| !self.delivery.until.is_past() && self.stop.requested().is_none());
        let noted = match (&receipt.reason, postponed) {
            (Some(reason), Some(_)) => entry.postpone(reason),
            _ => entry.finish(&receipt),
        };
        if let Err(error) = noted {
            // What was done stays true; only a later look at the journal will know less of it.
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the outcome was not recorded");
            receipt.evidence.push(Evidence { step: Step::Release, seen: format!("outcome not recorded: {error}") });
        }
        Ok((receipt, postponed))
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
pub(crate) const fn whole_microseconds(span: Duration) -> Duration {
    Duration::from_micros(span.as_micros() as u64)
}
