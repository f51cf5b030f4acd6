//! The steps that each state may go on with, as a model that stateright explores.

use lock_core::Priority;
use stateright::{Model, Property};

use crate::{
    Bug,
    client::{Client, Phase},
    network::{Message, Network},
    promises::promises,
    server::{Call, DEAF, SILENT, Server},
    state::{Faults, State},
};

/// How long outages last, in ticks: the longest that counts for silence, and one that is longer than anybody may be silent.
const OUTAGES: [u8; 2] = [DEAF, SILENT + 1];

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
    Break,
    Outage,
    Back {
        was_down: bool,
    },
    StepClock(u64),
    Leap,
    Tick,
}

impl Protocol {
    /// Whether all clients that wait are heard of at each tick that the store is there.
    pub(crate) const fn nobody_is_silent(&self) -> bool {
        self.punctual && self.faults.lost == 0 && self.faults.stops == 0
    }

    /// What a client that runs may do, and must before time goes on if everybody is punctual.
    fn owes(&self, state: &State, client: usize) -> Option<Action> {
        let idle = state.net.in_flight(client) == 0;
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
        if holds && renewals > 0 && state.net.in_flight(client) == 0 {
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
        let late = |message: &Message| {
            message.age > 0 && !state.clients[message.client].stopped && !(message.is_call() && state.away.is_some())
        };
        let owes = |client: usize| !state.clients[client].stopped && self.owes(state, client).is_some();
        let punctual = !state.net.messages().iter().any(late) && !(0..state.clients.len()).any(owes);
        let is_over = state.clients.iter().all(Client::is_out) || state.away == OUTAGES.last().copied();
        !is_over && (punctual || !self.punctual)
    }

    fn faults(state: &State, actions: &mut Vec<Action>) {
        match state.away {
            None if state.faults.outages > 0 => actions.push(Action::Outage),
            Some(ticks) if OUTAGES.contains(&ticks) => {
                actions.extend([true, false].map(|was_down| Action::Back { was_down }))
            }
            _ => {}
        }
        if state.faults.breaks > 0
            && state.away.is_none()
            && state.server.held.as_ref().is_some_and(|held| !held.broken)
        {
            actions.push(Action::Break);
        }
        if state.faults.steps > 0 {
            actions.extend([Action::StepClock(3), Action::StepClock(30)]);
        }
        if state.faults.leaps > 0 && state.server.held.is_some() {
            actions.push(Action::Leap);
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            server: Server::new(10),
            away: None,
            clients: vec![Client::new(self.renewals); self.clients.len()],
            net: Network::default(),
            faults: self.faults,
            free: 0,
            order_kept: true,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, message) in state.net.messages().iter().enumerate() {
            let is_heard = match message.is_call() {
                true => state.away.is_none(),
                false => !state.clients[message.client].stopped,
            };
            if is_heard {
                actions.push(Action::Deliver(at));
            }
            if state.faults.lost > 0 {
                actions.push(Action::Lose(at));
            }
        }
        (0..state.clients.len()).for_each(|client| self.acts(state, client, actions));
        Self::faults(state, actions);
        if self.may_tick(state) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Deliver(at) => state.deliver(at, self),
            Action::Lose(at) => {
                state.net.take(at);
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
            Action::Break => {
                state.faults.breaks -= 1;
                state.break_lease(self);
            }
            Action::Outage => {
                state.faults.outages -= 1;
                state.away = Some(0);
            }
            Action::Back { was_down } => state.back(was_down),
            Action::StepClock(clock) => {
                state.faults.steps -= 1;
                state.server.set_clock(clock);
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
        promises()
    }
}
