//! The clients, the network between them and the store, and what can go wrong; as a model that stateright explores.

use lock_core::{FencingToken, Priority};
use stateright::{Model, Property};

use crate::{
    Bug,
    server::{Answer, Call, OFFER, Server, TTL},
};

/// A holder's own deadline is so much earlier than the store's.
const MARGIN: u8 = 1;
/// A head that lives has the lock after at most so many ticks without a holder: the rest of a lease whose holder was
/// stopped, and offers to waiters that were stopped, or whose message was lost.
const FREE_MAX: u8 = TTL + 2 * OFFER;

/// What is explored.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    pub(crate) clients: Vec<Priority>,
    pub(crate) faults: Faults,
    /// Each message arrives within a tick or is lost. Without it, whenever it likes.
    pub(crate) punctual: bool,
    /// How often each holder may renew.
    pub(crate) renewals: u8,
    pub(crate) bug: Option<Bug>,
}

/// How often each thing may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) lost: u8,
    pub(crate) stops: u8,
    pub(crate) cancels: u8,
    /// The store's clock is set back, or forth; its leases last longer by a tick in the first case.
    pub(crate) steps: u8,
    /// The store's clock is set forth and its leases end: what no lease by the clock survives.
    pub(crate) leaps: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) net: Vec<Message>,
    pub(crate) faults: Faults,
    /// For how many ticks nobody has held although somebody that lives stood in line.
    free: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) phase: Phase,
    pub(crate) stopped: bool,
    /// Ticks since it last spoke.
    quiet: u8,
    renewals: u8,
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

/// Its age counts from the sending of the call, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    client: usize,
    age: u8,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum What {
    Call(Call),
    Answer(Answer),
    Wake,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Deliver(usize),
    Lose(usize),
    Enter(usize),
    Refresh(usize),
    Renew(usize),
    Release(usize),
    /// The caller drops its future.
    Cancel(usize),
    Stop(usize),
    Resume(usize),
    StepClock(u64),
    Leap,
    Tick,
}

impl Client {
    fn holds(&self) -> bool {
        matches!(self.phase, Phase::Holding { left, .. } if left > 0)
    }
}

impl State {
    fn send(&mut self, client: usize, call: Call) {
        self.clients[client].quiet = 0;
        self.post(client, 0, What::Call(call));
    }

    /// The network keeps no order, so the state need not either.
    fn post(&mut self, client: usize, age: u8, what: What) {
        self.net.push(Message { client, age, what });
        self.net.sort_unstable();
    }

    fn in_flight(&self, client: usize) -> usize {
        self.net.iter().filter(|m| m.client == client && m.what != What::Wake).count()
    }

    fn deliver(&mut self, at: usize, protocol: &Protocol) {
        let Message { client, age, what } = self.net.remove(at);
        match what {
            What::Call(call) => {
                let (answer, woken) = self.server.call(client, &call, protocol.bug);
                self.post(client, age, What::Answer(answer));
                if let Some(woken) = woken {
                    self.post(woken, 0, What::Wake);
                }
            }
            What::Answer(answer) => self.hear(client, answer, age, protocol),
            What::Wake => self.wake(client, protocol),
        }
    }

    fn hear(&mut self, client: usize, answer: Answer, age: u8, protocol: &Protocol) {
        let age = if protocol.bug == Some(Bug::DeadlineFromAnswer) { 0 } else { age };
        let full = (TTL - MARGIN).saturating_sub(age);
        let phase = self.clients[client].phase;
        self.clients[client].phase = match (phase, answer) {
            (Phase::Entering { .. } | Phase::Waiting { .. }, Answer::Granted { token }) if full > 0 => {
                Phase::Holding { token, left: full }
            }
            // Over before it was heard of: never acted under, and given back.
            (Phase::Entering { .. } | Phase::Waiting { .. }, Answer::Granted { token }) => {
                self.send(client, Call::Release { token });
                Phase::Out
            }
            (Phase::Entering { .. }, Answer::Queued { number }) => Phase::Waiting { number },
            (Phase::Waiting { number }, Answer::Missing) => Phase::Entering { number: Some(number) },
            (Phase::Holding { token, left }, Answer::Held) if left > 0 => {
                Phase::Holding { token, left: left.max(full) }
            }
            (phase, _) => phase,
        };
    }

    fn wake(&mut self, client: usize, protocol: &Protocol) {
        let waits = matches!(self.clients[client].phase, Phase::Waiting { .. });
        if waits && protocol.bug == Some(Bug::OfferIsLease) {
            let token = self.server.token_last;
            self.clients[client].phase = Phase::Holding { token, left: TTL - MARGIN };
        } else if waits {
            self.send(client, Call::Refresh);
        }
    }

    fn tick(&mut self, protocol: &Protocol) {
        let waits = |c: &Client| !c.stopped && matches!(c.phase, Phase::Waiting { .. });
        let nobody_holds = !self.clients.iter().any(Client::holds);
        // Where nobody is punctual it tells nothing, and would only make states differ.
        let counts = protocol.punctual && nobody_holds && self.clients.iter().any(waits);
        self.free = if counts { (self.free + 1).min(FREE_MAX + 1) } else { 0 };
        self.server.tick();
        for client in &mut self.clients {
            client.quiet = (client.quiet + 1).min(1);
            if let Phase::Holding { left, .. } = &mut client.phase {
                *left = left.saturating_sub(1);
            }
        }
        for message in &mut self.net {
            message.age = (message.age + 1).min(TTL);
        }
        self.net.sort_unstable();
    }
}

impl Protocol {
    /// What a client that runs may do, and must before time goes on if everybody is punctual.
    fn owes(&self, state: &State, client: usize) -> Option<Action> {
        let idle = state.in_flight(client) == 0;
        let Client { phase, quiet, .. } = state.clients[client];
        match phase {
            Phase::New => Some(Action::Enter(client)),
            Phase::Entering { .. } if idle => Some(Action::Enter(client)),
            Phase::Waiting { .. } if idle && quiet > 0 && self.bug != Some(Bug::NoSweep) => {
                Some(Action::Refresh(client))
            }
            Phase::Holding { left: 0, .. } => Some(Action::Release(client)),
            _ => None,
        }
    }

    fn acts(&self, state: &State, client: usize, actions: &mut Vec<Action>) {
        let Client { phase, stopped, renewals, .. } = state.clients[client];
        if stopped {
            actions.push(Action::Resume(client));
            return;
        }
        actions.extend(self.owes(state, client));
        let holds = state.clients[client].holds();
        if holds {
            actions.push(Action::Release(client));
        }
        if holds && renewals > 0 && state.in_flight(client) == 0 {
            actions.push(Action::Renew(client));
        }
        if state.faults.cancels > 0 && matches!(phase, Phase::Entering { .. } | Phase::Waiting { .. }) {
            actions.push(Action::Cancel(client));
        }
        if state.faults.stops > 0 && phase != Phase::Out {
            actions.push(Action::Stop(client));
        }
    }

    /// Whether time may go on: not while somebody is late.
    fn may_tick(&self, state: &State) -> bool {
        let all_out = state.clients.iter().all(|client| client.phase == Phase::Out);
        let late = |message: &Message| message.age > 0 && !state.clients[message.client].stopped;
        let owes = |client: usize| !state.clients[client].stopped && self.owes(state, client).is_some();
        let punctual = !state.net.iter().any(late) && !(0..state.clients.len()).any(owes);
        !all_out && (punctual || !self.punctual)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let client = Client { phase: Phase::New, stopped: false, quiet: 0, renewals: self.renewals };
        let clients = vec![client; self.clients.len()];
        vec![State { server: Server::new(10), clients, net: Vec::new(), faults: self.faults, free: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, message) in state.net.iter().enumerate() {
            let to_stopped = state.clients[message.client].stopped && !matches!(message.what, What::Call(_));
            if !to_stopped {
                actions.push(Action::Deliver(at));
            }
            if state.faults.lost > 0 {
                actions.push(Action::Lose(at));
            }
        }
        (0..state.clients.len()).for_each(|client| self.acts(state, client, actions));
        if state.faults.steps > 0 {
            actions.extend([Action::StepClock(3), Action::StepClock(30)]);
        }
        if state.faults.leaps > 0 && state.server.held.is_some() {
            actions.push(Action::Leap);
        }
        if self.may_tick(state) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Deliver(at) => state.deliver(at, self),
            Action::Lose(at) => {
                state.net.remove(at);
                state.faults.lost -= 1;
            }
            Action::Enter(client) => {
                let number = match state.clients[client].phase {
                    Phase::Entering { number } => number,
                    _ => None,
                };
                state.clients[client].phase = Phase::Entering { number };
                state.send(client, Call::Enter { priority: self.clients[client], number });
            }
            Action::Refresh(client) => state.send(client, Call::Refresh),
            Action::Renew(client) => {
                let Phase::Holding { token, .. } = state.clients[client].phase else { return None };
                state.clients[client].renewals -= 1;
                state.send(client, Call::Renew { token });
            }
            Action::Release(client) => {
                let Phase::Holding { token, .. } = state.clients[client].phase else { return None };
                state.clients[client].phase = Phase::Out;
                state.send(client, Call::Release { token });
            }
            Action::Cancel(client) => {
                state.faults.cancels -= 1;
                state.clients[client].phase = Phase::Out;
                state.send(client, Call::Withdraw);
            }
            Action::Stop(client) => {
                state.faults.stops -= 1;
                state.clients[client].stopped = true;
            }
            Action::Resume(client) => state.clients[client].stopped = false,
            Action::StepClock(clock) => {
                state.faults.steps -= 1;
                let back = clock < state.server.clock;
                state.server.clock = clock;
                if let Some(held) = &mut state.server.held {
                    held.ends += u8::from(back);
                }
            }
            Action::Leap => {
                state.faults.leaps -= 1;
                state.server.held.iter_mut().for_each(|held| held.ends = 0);
            }
            Action::Tick => state.tick(self),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one valid holder", |_, state: &State| {
                state.clients.iter().filter(|client| client.holds()).count() <= 1
            }),
            Property::always("tokens grow", |_, state: &State| state.server.tokens_grow),
            Property::always("nobody is passed too often", |_, state: &State| {
                state.server.line.iter().all(|ticket| ticket.passed <= lock_core::queue::PASSED_MAX)
            }),
            // What follows is promised only where messages arrive.
            Property::always("a live head is granted in time", |protocol: &Self, state: &State| {
                !protocol.punctual || state.free <= FREE_MAX
            }),
            Property::always("it ends only when everybody is done", |protocol: &Self, state: &State| {
                let mut actions = Vec::new();
                protocol.actions(state, &mut actions);
                !actions.is_empty() || state.clients.iter().all(|client| client.phase == Phase::Out)
            }),
            Property::sometimes("everybody is done", |_, state: &State| {
                state.clients.iter().all(|client| client.phase == Phase::Out) && state.net.is_empty()
            }),
        ]
    }
}
