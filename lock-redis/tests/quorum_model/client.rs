//! One client: its votes, its second round, its lease, and what it asks next of each server.

use crate::{
    Bug,
    round::{Renewal, Round, Said, counts},
    server::{Answer, Call, Number, Server, Token},
};

pub(crate) const SERVERS: usize = 3;
pub(crate) const MAJORITY: usize = SERVERS / 2 + 1;

/// A holder's own deadline is so much earlier than a server's.
pub(crate) const MARGIN: u8 = 1;

/// For how many ticks votes that are no majority are kept, by the first server among them.
const PATIENCE: [u8; SERVERS] = [3, 2, 1];

/// Where it stands on one server, for all it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Seat {
    /// To be asked, for the number that it wants there.
    Nowhere(Option<Number>),
    /// `told`: the number that it was told to take.
    InLine {
        number: Number,
        told: Option<Number>,
    },
    Vote(Token, Number),
    /// A vote that is to be given back, and the number to come back with.
    Surplus(Token, Option<Number>),
    /// To be asked again after a tick: it was asked in vain, and then it is for the number that others have given; or what was
    /// not held under its vote begins anew.
    Resting {
        was_away: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// `kept`: ticks since it has votes that are too few.
    Seeking {
        kept: u8,
    },
    /// The second round; its age counts from its begin, and so does the lease that it makes.
    Raising {
        token: Token,
        age: u8,
        round: Round,
    },
    /// A second round has failed.
    Undoing {
        token: Token,
        told: [bool; SERVERS],
    },
    /// `left`: ticks until its own deadline. `told`: of whom the second round was sent to.
    Holding {
        token: Token,
        left: u8,
        told: [bool; SERVERS],
        renewal: Option<Renewal>,
    },
    Leaving {
        token: Token,
        told: [bool; SERVERS],
    },
    Out,
    Crashed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) phase: Phase,
    pub(crate) seats: [Seat; SERVERS],
    pub(crate) renewals: u8,
    /// The highest token under which it has given anything back: it holds under none up to that.
    given_back: Token,
}

impl Client {
    pub(crate) const fn new(renewals: u8) -> Self {
        Self { phase: Phase::Seeking { kept: 0 }, seats: [Seat::Nowhere(None); SERVERS], renewals, given_back: 0 }
    }

    pub(crate) const fn crashed() -> Self {
        Self { phase: Phase::Crashed, ..Self::new(0) }
    }

    pub(crate) const fn holds(&self) -> bool {
        matches!(self.phase, Phase::Holding { left, .. } if left > 0)
    }

    /// Asks, and may still be granted.
    pub(crate) const fn seeks(&self) -> bool {
        matches!(self.phase, Phase::Seeking { .. } | Phase::Raising { .. } | Phase::Undoing { .. })
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Out | Phase::Crashed)
    }

    /// Its votes, by the server.
    fn votes(&self) -> impl Iterator<Item = (usize, Token)> {
        self.seats.iter().enumerate().filter_map(|(at, seat)| match seat {
            Seat::Vote(token, _) => Some((at, *token)),
            _ => None,
        })
    }

    pub(crate) fn has_won(&self, bug: Option<Bug>) -> bool {
        let needed = if bug == Some(Bug::MinorityCounts) { 1 } else { MAJORITY };
        matches!(self.phase, Phase::Seeking { .. }) && self.votes().count() >= needed
    }

    pub(crate) fn has_too_few_votes(&self) -> bool {
        matches!(self.phase, Phase::Seeking { .. }) && (1..MAJORITY).contains(&self.votes().count())
    }

    /// Whether it has kept them for as long as it does.
    pub(crate) fn gives_back(&self, bug: Option<Bug>) -> bool {
        let Phase::Seeking { kept } = self.phase else { return false };
        let first = self.votes().next().map_or(0, |(at, _)| at);
        let patience = if bug == Some(Bug::EquallyPatient) { PATIENCE[0] } else { PATIENCE[first] };
        self.has_too_few_votes() && kept >= patience && bug != Some(Bug::VoteKept)
    }

    /// Its numbers, where servers have given it one.
    fn numbers(&self) -> impl Iterator<Item = Number> {
        self.seats.iter().filter_map(|seat| match seat {
            Seat::InLine { number, .. } | Seat::Vote(_, number) => Some(*number),
            _ => None,
        })
    }

    /// The number that it is to have in all lines, once a majority has given it one.
    fn agreed(&self) -> Option<Number> {
        self.numbers().max().filter(|_| self.numbers().count() >= MAJORITY)
    }

    /// What it asks next of this server, of which it hears news as from a wake-up.
    pub(crate) fn due(&self, at: usize, server: &Server, own: usize) -> Option<Call> {
        match self.phase {
            Phase::Seeking { .. } => match self.seats[at] {
                _ if server.is_down => None,
                Seat::Nowhere(number) => Some(Call::Ask(number)),
                Seat::InLine { number, told } => {
                    let to_take = self.agreed().filter(|agreed| *agreed > number && told != Some(*agreed));
                    (to_take.is_some() || server.has_news(own)).then_some(Call::Ask(to_take))
                }
                Seat::Surplus(token, _) => Some(Call::GiveBack { token, for_good: false }),
                Seat::Vote(..) | Seat::Resting { .. } => None,
            },
            Phase::Raising { token, round, .. } => {
                (round[at] == Said::Nothing).then_some(Call::Hold { token, counts: false })
            }
            Phase::Undoing { token, told } => (!told[at]).then_some(Call::GiveBack { token, for_good: false }),
            Phase::Holding { token, told, .. } if !told[at] => Some(Call::Hold { token, counts: false }),
            Phase::Holding { token, renewal: Some(renewal), .. } => match renewal.round[at] {
                Said::Nothing => Some(Call::Renew { token }),
                Said::NotHeld if renewal.counts() => Some(Call::Hold { token, counts: true }),
                _ => None,
            },
            Phase::Leaving { token, told } => (!told[at]).then_some(Call::GiveBack { token, for_good: true }),
            Phase::Holding { .. } | Phase::Out | Phase::Crashed => None,
        }
    }

    /// A server's answer, or `None` when none will come.
    pub(crate) fn hear(&mut self, at: usize, call: Call, answer: Option<Answer>) {
        let said = match answer {
            Some(Answer::Held { is_old }) => Said::Held { is_old },
            Some(_) => Said::NotHeld,
            None => Said::Silence,
        };
        match &mut self.phase {
            Phase::Seeking { .. } => {
                self.seats[at] = match (self.seats[at], call, answer) {
                    (_, _, Some(Answer::Vote(token, number))) => Seat::Vote(token, number),
                    (Seat::InLine { told: before, .. }, Call::Ask(told), Some(Answer::InLine(number))) => {
                        Seat::InLine { number, told: told.or(before) }
                    }
                    (_, _, Some(Answer::InLine(number))) => Seat::InLine { number, told: None },
                    (Seat::Surplus(_, number), _, Some(_)) => Seat::Nowhere(number),
                    _ => Seat::Resting { was_away: true },
                }
            }
            Phase::Raising { round, .. } => round[at] = said,
            Phase::Undoing { told, .. } | Phase::Leaving { told, .. } => told[at] = true,
            Phase::Holding { told, .. } if !told[at] => told[at] = true,
            Phase::Holding { renewal: Some(renewal), .. } => {
                // What it is told of again says nothing of whether it still had it.
                let mends = matches!(call, Call::Hold { .. });
                renewal.round[at] = if mends { Said::Silence } else { said };
            }
            Phase::Holding { .. } | Phase::Out | Phase::Crashed => {}
        }
    }

    /// What its answers have come to. Gives the token of a lease that counts from now on.
    pub(crate) fn conclude(&mut self, ttl: u8, bug: Option<Bug>) -> Option<Token> {
        match self.phase {
            Phase::Raising { token, age, round } => {
                let age = if bug == Some(Bug::DeadlineFromAnswer) { 0 } else { age };
                let left = (ttl - MARGIN).saturating_sub(age);
                if counts(&round, bug) && left > 0 {
                    let told = round.map(|said| said != Said::Nothing);
                    self.phase = Phase::Holding { token, left, told, renewal: None };
                    self.seats = [Seat::Nowhere(None); SERVERS];
                    return Some(token);
                }
                if !round.contains(&Said::Nothing) {
                    self.phase = Phase::Undoing { token, told: [false; SERVERS] };
                    self.given_back = self.given_back.max(token);
                }
            }
            Phase::Undoing { told, .. } if told == [true; SERVERS] => {
                self.phase = Phase::Seeking { kept: 0 };
                for seat in &mut self.seats {
                    if let Seat::Vote(..) = seat {
                        *seat = Seat::Resting { was_away: false };
                    }
                }
            }
            Phase::Holding { token, left, told, renewal: Some(renewal) } if left > 0 => {
                self.phase = renewal.conclude(token, left, told, ttl);
            }
            Phase::Leaving { told, .. } if told == [true; SERVERS] => self.phase = Phase::Out,
            _ => {}
        }
        None
    }

    pub(crate) fn raise(&mut self) {
        let token = self.votes().map(|(_, token)| token).max().unwrap_or_default().max(self.given_back + 1);
        self.phase = Phase::Raising { token, age: 0, round: [Said::Nothing; SERVERS] };
    }

    pub(crate) fn give_votes_back(&mut self) {
        self.phase = Phase::Seeking { kept: 0 };
        // Once in its place, then behind all others.
        let number = self.numbers().max().filter(|_| self.given_back == 0);
        for seat in &mut self.seats {
            if let Seat::Vote(token, _) = *seat {
                *seat = Seat::Surplus(token, number);
                self.given_back = self.given_back.max(token);
            }
        }
    }

    pub(crate) fn renew(&mut self) {
        if let Phase::Holding { renewal, .. } = &mut self.phase {
            *renewal = Some(Renewal { age: 0, round: [Said::Nothing; SERVERS] });
            self.renewals -= 1;
        }
    }

    /// Lets go, or gives up.
    pub(crate) fn leave(&mut self) {
        let token = if let Phase::Holding { token, .. } = self.phase { token } else { 0 };
        self.phase = Phase::Leaving { token, told: [false; SERVERS] };
        self.seats = [Seat::Nowhere(None); SERVERS];
    }

    pub(crate) fn tick(&mut self, ttl: u8) {
        let number = self.numbers().max();
        for seat in &mut self.seats {
            if let Seat::Resting { was_away } = *seat {
                *seat = Seat::Nowhere(number.filter(|_| was_away));
            }
        }
        let has_too_few_votes = self.has_too_few_votes();
        match &mut self.phase {
            Phase::Seeking { kept } => *kept = if has_too_few_votes { (*kept + 1).min(PATIENCE[0]) } else { 0 },
            Phase::Raising { age, .. } => *age = (*age + 1).min(ttl),
            Phase::Holding { left, renewal, .. } => {
                *left = left.saturating_sub(1);
                if let Some(renewal) = renewal {
                    renewal.age = (renewal.age + 1).min(ttl);
                }
            }
            _ => {}
        }
    }
}
