//! One key of the store: its holder, who waits, and what became of each lease.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{FencingToken, Lease, LossReason, Moment, Request, RequestId, SecretHash, mistake::Mistake};

/// How long a lease that was handed over waits to be taken up.
const OFFER: Duration = Duration::from_secs(2);

/// For ever.
const NEVER: Moment = Moment::from_since_boot_ns(u64::MAX);

#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) holder: Option<Held>,
    pub(crate) waiting: Vec<Request>,
    /// Who was withdrawn, also before it came.
    gone: BTreeSet<RequestId>,
    known: BTreeMap<RequestId, Request>,
    pub(crate) last_token: FencingToken,
    pub(crate) record: BTreeMap<FencingToken, Record>,
    /// How often the line has changed.
    pub(crate) changes: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Held {
    request: Request,
    pub(crate) token: FencingToken,
    broken: bool,
    until: Moment,
}

/// What became of a lease.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) from: Moment,
    /// When it ended, or will unless renewed.
    pub(crate) to: Moment,
    /// How often its release was sent.
    pub(crate) releases: usize,
    /// How often its renewal was sent, and how often before its release was.
    pub(crate) renewals: usize,
    pub(crate) renewals_when_released: usize,
}

impl Record {
    pub(crate) fn note_release(&mut self) {
        self.releases += if Mistake::ReleasesTwice.is_made() { 2 } else { 1 };
        self.renewals_when_released = self.renewals;
    }
}

impl Line {
    /// What time has done: a lease that is over goes to the next in line.
    pub(crate) fn settle(&mut self) {
        while self.holder.as_ref().is_some_and(|held| held.until.is_past()) {
            self.holder = None;
            self.hand_over();
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.holder.is_none() && self.waiting.is_empty()
    }

    /// When time ends the lease.
    pub(crate) fn end_of_lease(&self) -> Option<Moment> {
        self.holder.as_ref().map(|held| held.until).filter(|until| *until != NEVER)
    }

    fn hand_over(&mut self) {
        self.changes += 1;
        if !self.waiting.is_empty() {
            let request = self.waiting.remove(0);
            self.grant(request, Some(OFFER));
        }
    }

    fn grant(&mut self, request: Request, life: Option<Duration>) -> FencingToken {
        let now = Moment::now();
        let token = FencingToken::next(self.last_token, request.floor, now.since_boot_ns() / 1000);
        let until = life.map_or(NEVER, |life| now + life);
        let record = Record { from: now, to: until, releases: 0, renewals: 0, renewals_when_released: 0 };
        self.record.insert(token, record);
        self.holder = Some(Held { request, token, broken: false, until });
        self.last_token = token;
        self.changes += 1;
        token
    }

    fn extend(&mut self, life: Option<Duration>) {
        let Some(held) = &mut self.holder else { return };
        held.until = life.map_or(NEVER, |life| Moment::now() + life);
        self.record.get_mut(&held.token).unwrap().to = held.until;
    }

    fn end(&mut self) {
        if let Some(held) = self.holder.take() {
            self.record.get_mut(&held.token).unwrap().to = Moment::now();
        }
        self.hand_over();
    }

    fn holds(&self, lease: &Lease) -> Option<&Held> {
        self.holder.as_ref().filter(|held| held.request.id == lease.request && held.token == lease.token)
    }

    /// The token, or how many go first.
    pub(crate) fn enter(&mut self, request: Request, life: Option<Duration>) -> Result<FencingToken, usize> {
        self.known.insert(request.id, request.clone());
        if self.gone.contains(&request.id) {
            return Err(0);
        }
        if self.is_free() {
            return Ok(self.grant(request, life));
        }
        self.waiting.push(request);
        Err(self.waiting.len() - 1)
    }

    pub(crate) fn is_offered_to(&self, id: RequestId) -> bool {
        self.holder.as_ref().is_some_and(|held| held.request.id == id)
    }

    /// Takes up the lease that was handed over.
    pub(crate) fn take_up(&mut self, id: RequestId, expires: bool) -> Option<(Request, FencingToken)> {
        let held = self.holder.clone().filter(|held| held.request.id == id)?;
        self.extend(expires.then_some(held.request.ttl));
        Some((held.request, held.token))
    }

    /// Who did not take up a lease in time goes before all others again.
    pub(crate) fn come_back(&mut self, id: RequestId) {
        let stands = self.is_offered_to(id) || self.waiting.iter().any(|request| request.id == id);
        if stands || self.gone.contains(&id) {
            return;
        }
        self.waiting.insert(0, self.known[&id].clone());
        if self.holder.is_none() {
            self.hand_over();
        }
    }

    pub(crate) fn withdraw(&mut self, id: RequestId) {
        self.gone.insert(id);
        self.waiting.retain(|request| request.id != id);
        self.changes += 1;
        if self.is_offered_to(id) {
            self.end();
        }
    }

    pub(crate) fn renew(&mut self, lease: &Lease, life: Option<Duration>) -> Result<(), LossReason> {
        match self.holds(lease).map(|held| held.broken) {
            None => Err(LossReason::Replaced),
            Some(true) => Err(LossReason::Broken),
            Some(false) => {
                self.extend(life);
                Ok(())
            }
        }
    }

    pub(crate) fn release(&mut self, lease: &Lease) {
        self.changes += 1;
        if self.holds(lease).is_some() {
            self.end();
        }
    }

    /// Its token, and how long it lasts where it does not last for ever.
    pub(crate) fn held_under(&self, secret: SecretHash) -> Option<(FencingToken, Option<Duration>)> {
        let held = self.holder.as_ref().filter(|held| held.request.secret_hash == secret && !held.broken)?;
        Some((held.token, (held.until != NEVER).then(|| held.until.remaining())))
    }

    pub(crate) fn mark_broken(&mut self, token: FencingToken) {
        if let Some(held) = self.holder.as_mut().filter(|held| held.token == token) {
            held.broken = true;
        }
    }
}
