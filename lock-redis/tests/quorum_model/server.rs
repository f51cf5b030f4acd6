//! One server: what the scripts that a quorum needs do, one step for each script.

use crate::Bug;

pub(crate) type Token = u8;
/// A place in a line.
pub(crate) type Number = u8;

/// What a server has at one time for one request: its vote, or a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) client: usize,
    pub(crate) token: Token,
    number: Number,
    /// Ticks that are left, by the server's clock.
    pub(crate) ends: u8,
}

/// The token that a lease was last held under here, and by whom.
type Confirmed = (Token, Option<usize>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) held: Option<Held>,
    /// Who waits, by their numbers.
    pub(crate) line: Vec<(Number, usize)>,
    token_last: Token,
    confirmed: Confirmed,
    confirmed_was: Confirmed,
    given_back: Token,
    /// Requests that are over.
    gone: Vec<usize>,
    /// For how many ticks it has kept locks; `None` before the first one. Counts no further than it matters.
    kept: Option<u8>,
    /// It answers nothing.
    pub(crate) is_down: bool,
}

/// What a client asks of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    /// `enter`, and what a waiter says later: how it stands, with a vote if there is one for it; and which number it wants.
    Ask(Option<Number>),
    /// `counts`: a majority has the lease already.
    Hold {
        token: Token,
        counts: bool,
    },
    Renew {
        token: Token,
    },
    /// `for_good`: the request is over; its token is 0 when it has no lease.
    GiveBack {
        token: Token,
        for_good: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Vote(Token, Number),
    InLine(Number),
    Withdrawn,
    /// The lease is held. `is_old`: the server has kept locks for longer than it may have forgotten a lease.
    Held {
        is_old: bool,
    },
    /// It is not, and will not be.
    NotHeld,
    Done,
}

/// What a server goes by beside its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) ttl: u8,
    /// How long a vote lasts.
    pub(crate) vote: u8,
    /// No token is below the clock.
    pub(crate) clock: Token,
    pub(crate) bug: Option<Bug>,
}

impl Server {
    /// Keeps locks for long, and has none.
    pub(crate) fn old(ttl: u8) -> Self {
        Self { kept: Some(ttl + 1), ..Self::default() }
    }

    /// One script.
    pub(crate) fn call(&mut self, client: usize, call: Call, terms: Terms) -> Answer {
        match call {
            Call::Ask(number) => self.ask(client, number, terms),
            Call::Hold { token, counts } => self.hold(client, token, counts, terms),
            Call::Renew { token } => match &mut self.held {
                Some(held) if held.client == client && held.token == token && held.ends > 0 => {
                    held.ends = terms.ttl;
                    Answer::Held { is_old: true }
                }
                _ => Answer::NotHeld,
            },
            Call::GiveBack { token, for_good } => self.give_back(client, token, for_good, terms),
        }
    }

    /// `lua/enter.lua`.
    fn ask(&mut self, client: usize, wanted: Option<Number>, terms: Terms) -> Answer {
        self.settle(terms);
        if let Some(answer) = self.take(client, terms) {
            return answer;
        }
        if self.gone.contains(&client) {
            return Answer::Withdrawn;
        }
        let known = self.line.iter().find(|(_, waiter)| *waiter == client).map(|(number, _)| *number);
        if known.is_none() || wanted > known {
            self.line.retain(|(_, waiter)| *waiter != client);
            let number = match (known, wanted) {
                // A waiter that brings a higher number has it; two with the same one go by their requests.
                (Some(_), Some(wanted)) => wanted,
                _ => self.numbered(wanted),
            };
            self.line.push((number, client));
            self.line.sort_unstable();
            self.settle(terms);
        }
        let waits = self.line.iter().find(|(_, waiter)| *waiter == client);
        match waits {
            Some((number, _)) => Answer::InLine(*number),
            None => self.take(client, terms).expect("who waits no more has the vote"),
        }
    }

    /// The number that is wanted, if it is nobody's; else one behind all that are there.
    fn numbered(&self, wanted: Option<Number>) -> Number {
        let theirs = || self.line.iter().map(|(number, _)| *number).chain(self.held.map(|held| held.number));
        let free = wanted.filter(|wanted| theirs().all(|number| number != *wanted));
        free.unwrap_or_else(|| theirs().max().map_or(1, |last| last + 1))
    }

    fn take(&mut self, client: usize, terms: Terms) -> Option<Answer> {
        let held = self.held.as_mut().filter(|held| held.client == client)?;
        held.ends = if self.confirmed == (held.token, Some(client)) { terms.ttl } else { terms.vote };
        Some(Answer::Vote(held.token, held.number))
    }

    /// What has ended goes to who is next in line, as a vote.
    fn settle(&mut self, terms: Terms) {
        if self.held.is_some_and(|held| held.ends > 0) {
            return;
        }
        self.held = None;
        if !self.line.is_empty() {
            let (number, client) = self.line.remove(0);
            self.token_last = (self.token_last + 1).max(terms.clock);
            self.held = Some(Held { client, token: self.token_last, number, ends: terms.vote });
        }
    }

    /// `lua/hold.lua`.
    fn hold(&mut self, client: usize, token: Token, counts: bool, terms: Terms) -> Answer {
        let kept = *self.kept.get_or_insert(0);
        if token <= self.given_back || self.gone.contains(&client) {
            return Answer::NotHeld;
        }
        let (last, by) = self.confirmed;
        let is_raised = token > last || (token == last && by == Some(client));
        if !is_raised && terms.bug != Some(Bug::TokenNotRaised) {
            return Answer::NotHeld;
        }
        let is_of_another = |held: Held| held.ends > 0 && held.client != client && held.token == last;
        if self.held.is_some_and(is_of_another) && !counts {
            return Answer::NotHeld;
        }
        if by != Some(client) {
            self.confirmed_was = self.confirmed;
        }
        self.line.retain(|(_, waiter)| *waiter != client);
        self.confirmed = (token, Some(client));
        if terms.bug != Some(Bug::TokenNotRaised) {
            self.token_last = self.token_last.max(token);
        }
        self.held = Some(Held { client, token, number: 0, ends: terms.ttl });
        Answer::Held { is_old: kept > terms.ttl }
    }

    /// `lua/give_back.lua`.
    fn give_back(&mut self, client: usize, token: Token, for_good: bool, terms: Terms) -> Answer {
        if for_good {
            self.given_back = self.given_back.max(token);
            self.token_last = self.token_last.max(token);
        } else if self.confirmed == (token, Some(client)) {
            self.confirmed = self.confirmed_was;
        }
        let ends_any = for_good || terms.bug == Some(Bug::GiveBackOfAny);
        let had = self.held.is_some_and(|held| held.client == client && (ends_any || held.token <= token));
        if for_good {
            self.line.retain(|(_, waiter)| *waiter != client);
            let is_noted = (had && token != 0) || self.gone.contains(&client);
            if !is_noted {
                self.gone.push(client);
                self.gone.sort_unstable();
            }
        }
        if had {
            self.held = None;
            self.settle(terms);
        }
        Answer::Done
    }

    /// Whose lease it has, which is more than a vote.
    pub(crate) fn lease(&self) -> Option<(usize, Token)> {
        let held = self.held.filter(|held| self.confirmed == (held.token, Some(held.client)))?;
        Some((held.client, held.token))
    }

    /// Whether the client would hear something if it asked.
    pub(crate) fn has_news(&self, client: usize) -> bool {
        let is_there = self.line.iter().any(|(_, waiter)| *waiter == client);
        match self.held {
            Some(held) if held.ends > 0 => held.client == client || !is_there,
            _ => true,
        }
    }

    pub(crate) fn tick(&mut self, ttl: u8) {
        if let Some(held) = &mut self.held {
            held.ends = held.ends.saturating_sub(1);
        }
        self.kept = self.kept.map(|kept| (kept + 1).min(ttl + 1));
    }
}
