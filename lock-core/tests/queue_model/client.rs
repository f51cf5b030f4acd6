//! A client: what it knows of its place and its lease, and what it makes of what it hears.

use lock_core::FencingToken;

use crate::{
    Bug,
    server::{Answer, Call, TTL},
};

/// A holder's own deadline is so much earlier than the store's.
const MARGIN: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) phase: Phase,
    pub(crate) stopped: bool,
    /// Ticks since it last spoke; more than one do not differ.
    pub(crate) quiet: u8,
    pub(crate) renewals: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    New,
    Entering {
        number: Option<u64>,
    },
    Waiting {
        number: u64,
    },
    /// `left`: ticks until its own deadline, which counts while it is stopped too.
    Holding {
        token: FencingToken,
        left: u8,
    },
    /// Let go, gave up, or was told of its loss.
    Out,
}

impl Client {
    pub(crate) const fn new(renewals: u8) -> Self {
        Self { phase: Phase::New, stopped: false, quiet: 0, renewals }
    }

    pub(crate) const fn holds(&self) -> bool {
        matches!(self.phase, Phase::Holding { left, .. } if left > 0)
    }

    pub(crate) const fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    pub(crate) fn is_out(&self) -> bool {
        self.phase == Phase::Out
    }

    /// Hears an answer to a call that it sent `age` ticks ago. What it says to that.
    pub(crate) fn hear(&mut self, answer: &Answer, age: u8, bug: Option<Bug>) -> Option<Call> {
        let age = if bug == Some(Bug::DeadlineFromAnswer) { 0 } else { age };
        let full = (TTL - MARGIN).saturating_sub(age);
        let mut says = None;
        self.phase = match (self.phase, answer) {
            (Phase::Entering { .. } | Phase::Waiting { .. }, &Answer::Granted { token }) if full > 0 => {
                Phase::Holding { token, left: full }
            }
            // Over before it was heard of: never acted under, and given back.
            (Phase::Entering { .. } | Phase::Waiting { .. }, &Answer::Granted { token }) => {
                says = Some(Call::Release { token });
                Phase::Out
            }
            // Its holder stops, and says so; a request that had not heard of the lease never acts under it.
            (Phase::Holding { token, .. }, Answer::Broken) => {
                says = Some(Call::Release { token });
                Phase::Out
            }
            (Phase::Entering { .. } | Phase::Waiting { .. }, Answer::Broken) => {
                says = Some(Call::Withdraw);
                Phase::Out
            }
            (Phase::Entering { .. }, &Answer::Queued { number }) => Phase::Waiting { number },
            (Phase::Waiting { number }, Answer::Missing) => Phase::Entering { number: Some(number) },
            (Phase::Holding { token, left }, Answer::Held) if left > 0 => {
                Phase::Holding { token, left: left.max(full) }
            }
            (phase, _) => phase,
        };
        says
    }

    /// Hears that the lease `token` was handed to it. What it says to that.
    pub(crate) fn wake(&mut self, token: FencingToken, bug: Option<Bug>) -> Option<Call> {
        if !self.waits() {
            return None;
        }
        if bug == Some(Bug::OfferIsLease) {
            self.phase = Phase::Holding { token, left: TTL - MARGIN };
            return None;
        }
        Some(Call::Refresh)
    }

    pub(crate) fn tick(&mut self) {
        self.quiet = (self.quiet + 1).min(1);
        if let Phase::Holding { left, .. } = &mut self.phase {
            *left = left.saturating_sub(1);
        }
    }
}
