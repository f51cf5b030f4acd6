//! The store: what the scripts of a backend with leases do, one step for each script.

use lock_core::{
    FencingToken, Priority,
    queue::{self, Standing},
};

use crate::Bug;

/// All times are in ticks, one for each sweep of a waiter; Redis has 10 s, 2 s, 2 s, 1.2 s and 0.6 s.
pub(crate) const TTL: u8 = 5;
/// How long a lease that was handed over waits for its taker.
pub(crate) const OFFER: u8 = 3;
/// A waiter that was silent for so long is dead when it would be granted. More than what makes up the silence of one that
/// lives: a sweep, a pause that is not the store's own, and before and after it the time on the way.
pub(crate) const SILENT: u8 = 1 + 1 + DEAF + 1 + 1;
/// A waiter is heard of at each tick: after a longer pause the store itself was away.
pub(crate) const DEAF: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) client: usize,
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    pub(crate) passed: u32,
    pub(crate) silent: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) client: usize,
    pub(crate) token: FencingToken,
    pub(crate) number: u64,
    /// Ticks that are left.
    pub(crate) ends: u8,
    pub(crate) offered: bool,
    pub(crate) broken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) held: Option<Held>,
    pub(crate) line: Vec<Ticket>,
    /// Clients that left before they came.
    pub(crate) gone: Vec<usize>,
    pub(crate) token_last: FencingToken,
    pub(crate) number_last: u64,
    /// Ticks since it heard of anybody; more than make it away do not differ.
    unheard: u8,
    /// Of numbers and tokens; leases have their own.
    pub(crate) clock: u64,
    /// Whether each token was greater than all before.
    pub(crate) tokens_grow: bool,
    token_highest: FencingToken,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Enter { priority: Priority, number: Option<u64> },
    Refresh,
    Renew { token: FencingToken },
    Release { token: FencingToken },
    Withdraw,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Granted {
        token: FencingToken,
    },
    Queued {
        number: u64,
    },
    /// Its lease was broken.
    Broken,
    /// It has no place.
    Missing,
    /// The lease goes on.
    Held,
    /// Nothing the client acts on.
    Done,
}

impl Server {
    pub(crate) fn new(clock: u64) -> Self {
        Self {
            held: None,
            line: Vec::new(),
            gone: Vec::new(),
            token_last: FencingToken(0),
            number_last: 0,
            unheard: 0,
            clock,
            tokens_grow: true,
            token_highest: FencingToken(0),
        }
    }

    /// One script: the answer, and who is woken.
    pub(crate) fn call(&mut self, client: usize, call: &Call, bug: Option<Bug>) -> (Answer, Option<usize>) {
        match call {
            Call::Enter { priority, number } => self.enter(client, *priority, *number, bug),
            Call::Refresh => self.refresh(client, bug),
            Call::Renew { token } => (self.renew(client, *token, bug), None),
            Call::Release { token } => {
                let its = |held: &Held| held.client == client && held.token == *token;
                let ends = self.held.as_ref().is_some_and(|held| its(held) || bug == Some(Bug::ReleaseOfAny));
                self.end_if(ends, bug)
            }
            Call::Withdraw => self.withdraw(client, bug),
        }
    }

    fn enter(
        &mut self,
        client: usize,
        priority: Priority,
        asked: Option<u64>,
        bug: Option<Bug>,
    ) -> (Answer, Option<usize>) {
        self.hear(client);
        let woken = self.settle(bug);
        if let Some(answer) = self.stands(client, bug) {
            return (answer, woken);
        }
        if self.gone.contains(&client) {
            return (Answer::Done, woken);
        }
        let next = self.clock.max(self.number_last + 1);
        let in_use = |n| self.held.iter().any(|h| h.number == n) || self.line.iter().any(|t| t.number == n);
        let number = queue::number(asked, next, in_use);
        self.number_last = self.number_last.max(number);
        // So that few grants are enough to age somebody.
        let passed = if priority == Priority::Low { queue::PASSED_MAX - 1 } else { 0 };
        let ticket = Ticket { client, number, priority, passed, silent: 0 };
        if self.held.is_none() {
            self.grant(&ticket, false, bug);
        } else {
            self.line.push(ticket);
        }
        (self.stands(client, bug).unwrap_or(Answer::Missing), woken)
    }

    fn refresh(&mut self, client: usize, bug: Option<Bug>) -> (Answer, Option<usize>) {
        self.hear(client);
        let woken = self.settle(bug);
        (self.stands(client, bug).unwrap_or(Answer::Missing), woken)
    }

    fn renew(&mut self, client: usize, token: FencingToken, bug: Option<Bug>) -> Answer {
        self.listen(bug);
        match &mut self.held {
            Some(held) if held.client == client && held.token == token && held.broken => Answer::Broken,
            Some(held) if held.client == client && held.token == token && held.ends > 0 => {
                held.ends = TTL;
                Answer::Held
            }
            _ => Answer::Done,
        }
    }

    fn withdraw(&mut self, client: usize, bug: Option<Bug>) -> (Answer, Option<usize>) {
        if self.held.as_ref().is_some_and(|held| held.client == client) {
            return self.end_if(true, bug);
        }
        let before = self.line.len();
        self.line.retain(|ticket| ticket.client != client);
        if self.line.len() == before {
            self.gone.push(client);
            self.gone.sort_unstable();
            self.gone.dedup();
        }
        (Answer::Done, None)
    }

    /// Nobody acts under an offer, so that ends at once; a lease is marked. Who is to be woken.
    pub(crate) fn break_lease(&mut self, bug: Option<Bug>) -> Option<usize> {
        let held = self.held.as_mut()?;
        if !held.offered || bug == Some(Bug::BrokenOfferIsTaken) {
            held.broken = true;
            return None;
        }
        self.held = None;
        self.settle(bug)
    }

    fn end_if(&mut self, ends: bool, bug: Option<Bug>) -> (Answer, Option<usize>) {
        if !ends {
            return (Answer::Done, None);
        }
        self.held = None;
        (Answer::Done, self.settle(bug))
    }

    fn hear(&mut self, client: usize) {
        self.line.iter_mut().filter(|ticket| ticket.client == client).for_each(|ticket| ticket.silent = 0);
    }

    /// A pause in which it heard of nobody is its own, and counts for nobody's silence; nor could anybody take up an offer.
    fn listen(&mut self, bug: Option<Bug>) {
        let was_away = std::mem::take(&mut self.unheard) > DEAF;
        if !was_away || bug == Some(Bug::OutageIsSilence) {
            return;
        }
        self.line.iter_mut().for_each(|ticket| ticket.silent = 0);
        if let Some(held) = self.held.as_mut().filter(|held| held.offered) {
            held.ends = held.ends.max(OFFER);
        }
    }

    /// What the client is to the lock; a lease that was offered to it is taken up. One that is broken cannot be prolonged.
    fn stands(&mut self, client: usize, bug: Option<Bug>) -> Option<Answer> {
        if let Some(held) = self.held.as_mut().filter(|held| held.client == client) {
            if held.broken && bug != Some(Bug::BrokenOfferIsTaken) {
                return Some(Answer::Broken);
            }
            (held.offered, held.ends) = (false, if held.broken { held.ends } else { TTL });
            return Some(Answer::Granted { token: held.token });
        }
        let ticket = self.line.iter().find(|ticket| ticket.client == client)?;
        Some(Answer::Queued { number: ticket.number })
    }

    /// A lease that has ended goes to the next waiter that was heard of, by lock-core's own policy. Who is to be woken.
    fn settle(&mut self, bug: Option<Bug>) -> Option<usize> {
        self.listen(bug);
        if self.held.as_ref().is_some_and(|held| held.ends > 0) {
            return None;
        }
        self.held = None;
        while let Some(next) = queue::next(&standings(&self.line)) {
            let ticket = self.line.remove(next);
            if ticket.silent < SILENT {
                for passed in queue::passed_by(ticket.number, &standings(&self.line)).collect::<Vec<_>>() {
                    self.line[passed].passed += 1;
                }
                self.grant(&ticket, true, bug);
                return Some(ticket.client);
            }
        }
        None
    }

    fn grant(&mut self, ticket: &Ticket, offered: bool, bug: Option<Bug>) {
        let token = match bug {
            Some(Bug::TokenByClock) => FencingToken(self.clock),
            _ => FencingToken::next(self.token_last, FencingToken(0), self.clock),
        };
        self.tokens_grow &= token > self.token_highest;
        (self.token_last, self.token_highest) = (token, self.token_highest.max(token));
        let ends = if offered { OFFER } else { TTL };
        self.held = Some(Held { client: ticket.client, token, number: ticket.number, ends, offered, broken: false });
    }

    /// Its clock is set, whose leases then last longer by a tick if that is back.
    pub(crate) fn set_clock(&mut self, clock: u64) {
        let back = clock < self.clock;
        self.clock = clock;
        if let Some(held) = &mut self.held {
            held.ends += u8::from(back);
        }
    }

    /// Time goes on.
    pub(crate) fn tick(&mut self) {
        self.unheard = (self.unheard + 1).min(DEAF + 1);
        if let Some(held) = &mut self.held {
            held.ends = held.ends.saturating_sub(1);
        }
        for ticket in &mut self.line {
            ticket.silent = (ticket.silent + 1).min(SILENT);
        }
    }
}

/// How they stand in line, for lock-core's policy.
pub(crate) fn standings(line: &[Ticket]) -> Vec<Standing> {
    line.iter().map(|t| Standing { ticket: t.number, priority: t.priority, passed: t.passed }).collect()
}
