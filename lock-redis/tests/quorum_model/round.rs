//! A question to all servers, and what their answers come to: a second round, a renewal.

use crate::{
    Bug,
    client::{MAJORITY, MARGIN, Phase, SERVERS},
    server::Token,
};

/// What a server has said in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    /// It is still to be asked.
    Nothing,
    Held {
        is_old: bool,
    },
    NotHeld,
    /// No answer will come.
    Silence,
}

pub(crate) type Round = [Said; SERVERS];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Renewal {
    pub(crate) age: u8,
    pub(crate) round: Round,
}

fn held(round: &Round) -> usize {
    round.iter().filter(|said| matches!(said, Said::Held { .. })).count()
}

/// Whether a second round makes a lease: by a majority that is old enough to know of any other one, or by all.
pub(crate) fn counts(round: &Round, bug: Option<Bug>) -> bool {
    let old = round.iter().filter(|said| matches!(said, Said::Held { is_old: true })).count();
    match bug {
        Some(Bug::MinorityCounts) => held(round) > 0,
        Some(Bug::YoungCounts) => held(round) >= MAJORITY,
        _ => old >= MAJORITY || held(round) == SERVERS,
    }
}

impl Renewal {
    pub(crate) fn counts(&self) -> bool {
        held(&self.round) >= MAJORITY
    }

    pub(crate) fn conclude(self, token: Token, left: u8, told: [bool; SERVERS], ttl: u8) -> Phase {
        let lost = self.round.iter().filter(|said| **said == Said::NotHeld).count();
        if self.counts() {
            let left = left.max((ttl - MARGIN).saturating_sub(self.age));
            let is_over = !self.round.iter().any(|said| matches!(said, Said::Nothing | Said::NotHeld));
            return Phase::Holding { token, left, told, renewal: (!is_over).then_some(self) };
        }
        if lost >= MAJORITY {
            return Phase::Leaving { token, told: [false; SERVERS] };
        }
        let is_over = !self.round.contains(&Said::Nothing);
        Phase::Holding { token, left, told, renewal: (!is_over).then_some(self) }
    }
}
