//! Clients, servers, and what can go wrong with both and between them, as a model that stateright explores.
//!
//! A call and its answer are one step: what happens meanwhile on the server is in the order of the steps, and on the client
//! nothing does. One that is lost, whose answer is lost, or that comes whenever it likes is a *late* one.

use stateright::{Model, Property};

use crate::{
    Bug,
    client::{Client, Phase, SERVERS},
    server::{Call, Server, Terms, Token},
};

/// How many proposals of one server fit between two ticks of its clock.
const TOKENS_A_TICK: Token = 8;

/// How far time is followed where the clock matters.
const CLOCK_MAX: u8 = 14;

/// What is explored.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    pub(crate) clients: usize,
    pub(crate) faults: Faults,
    pub(crate) ttl: u8,
    pub(crate) vote: u8,
    /// The servers have kept locks for long.
    pub(crate) starts_old: bool,
    /// For how many ticks without a stall nobody may hold although somebody seeks.
    pub(crate) free_max: u8,
    pub(crate) bug: Option<Bug>,
}

/// How often each thing may still go wrong; and how often each holder may renew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) late: u8,
    /// A tick goes by in which not everybody does what is to be done.
    pub(crate) stalls: u8,
    pub(crate) crashes: u8,
    pub(crate) cancels: u8,
    /// A server answers nothing, until it does again.
    pub(crate) outages: u8,
    /// A server has lost its data.
    pub(crate) losses: u8,
    /// The lease ends on one server by its clock, when all have it.
    pub(crate) leaps: u8,
    pub(crate) renewals: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    /// Calls on their way whose answers nobody will hear: client, server, call.
    late: Vec<(usize, usize, Call)>,
    faults: Faults,
    /// In ticks, where it matters: where a server may lose its data.
    clock: u8,
    free: u8,
    /// The highest token of a lease that counted.
    highest: Token,
    tokens_grow: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// What the client asks next of the server.
    Call(usize, usize),
    /// The same, but late.
    SendLate(usize, usize),
    Arrive(usize),
    Vanish(usize),
    Raise(usize),
    GiveVotesBack(usize),
    Renew(usize),
    Leave(usize),
    Crash(usize),
    GoDown(usize),
    ComeBack(usize),
    LoseData(usize),
    Leap(usize),
    Tick,
}

impl Protocol {
    fn terms(&self, state: &State) -> Terms {
        let clock = state.clock.saturating_mul(TOKENS_A_TICK);
        Terms { ttl: self.ttl, vote: self.vote, clock, bug: self.bug }
    }

    fn due(&self, state: &State, client: usize) -> Option<(usize, Call)> {
        // In their order: they know nothing of each other, so another order on each of them is all that can differ.
        (0..SERVERS).find_map(|at| Some((at, state.clients[client].due(at, &state.servers[at], client)?)))
    }

    fn acts(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let client = &state.clients[number];
        if let Some((at, _)) = self.due(state, number) {
            actions.push(Action::Call(number, at));
            if state.faults.late > 0 && !state.servers[at].is_down {
                actions.push(Action::SendLate(number, at));
            }
        }
        if client.has_won(self.bug) {
            actions.push(Action::Raise(number));
        }
        if client.gives_back(self.bug) {
            actions.push(Action::GiveVotesBack(number));
        }
        match client.phase {
            Phase::Holding { left, renewal, .. } => {
                actions.push(Action::Leave(number));
                if left > 0 && renewal.is_none() && client.renewals > 0 {
                    actions.push(Action::Renew(number));
                }
            }
            _ if client.seeks() && state.faults.cancels > 0 => actions.push(Action::Leave(number)),
            _ => {}
        }
        if state.faults.crashes > 0 && !client.is_done() {
            actions.push(Action::Crash(number));
        }
    }

    /// Whether somebody has not done yet what is to be done within a tick.
    fn is_late(&self, state: &State) -> bool {
        state.clients.iter().enumerate().any(|(number, client)| {
            let is_over = matches!(client.phase, Phase::Holding { left: 0, .. });
            self.due(state, number).is_some() || client.has_won(self.bug) || client.gives_back(self.bug) || is_over
        })
    }

    fn faults(&self, state: &State, actions: &mut Vec<Action>) {
        let lease = state.servers[0].lease();
        let all_have_it = lease.is_some() && state.servers.iter().all(|server| server.lease() == lease);
        for (at, server) in state.servers.iter().enumerate() {
            if server.is_down {
                actions.push(Action::ComeBack(at));
            } else if state.faults.outages > 0 {
                actions.push(Action::GoDown(at));
            }
            if state.faults.losses > 0 {
                actions.push(Action::LoseData(at));
            }
            if state.faults.leaps > 0 && all_have_it {
                actions.push(Action::Leap(at));
            }
        }
        for at in 0..state.late.len() {
            actions.push(Action::Arrive(at));
            actions.push(Action::Vanish(at));
        }
    }
}

impl State {
    /// One call, unless the server is down; `is_heard`: the client has its answer.
    fn call(&mut self, protocol: &Protocol, number: usize, at: usize, is_heard: bool) {
        let Some(call) = self.clients[number].due(at, &self.servers[at], number) else { return };
        let terms = protocol.terms(self);
        let answers = is_heard && !self.servers[at].is_down;
        let answer = answers.then(|| self.servers[at].call(number, call, terms));
        if !is_heard {
            self.late.push((number, at, call));
            self.late.sort_unstable();
        }
        let client = &mut self.clients[number];
        client.hear(at, call, answer);
        if let Some(token) = client.conclude(protocol.ttl, protocol.bug) {
            self.tokens_grow &= token > self.highest;
            self.highest = self.highest.max(token);
        }
    }

    fn arrive(&mut self, protocol: &Protocol, message: usize) {
        let (number, at, call) = self.late[message];
        if !self.servers[at].is_down {
            self.late.remove(message);
            let terms = protocol.terms(self);
            self.servers[at].call(number, call, terms);
        }
    }

    fn tick(&mut self, protocol: &Protocol) {
        if protocol.is_late(self) {
            self.faults.stalls -= 1;
        } else if self.clients.iter().any(Client::holds) || !self.clients.iter().any(Client::seeks) {
            self.free = 0;
        } else {
            self.free += 1;
        }
        self.clock += u8::from(protocol.faults.losses > 0);
        self.servers.iter_mut().for_each(|server| server.tick(protocol.ttl));
        self.clients.iter_mut().for_each(|client| client.tick(protocol.ttl));
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let server = if self.starts_old { Server::old(self.ttl) } else { Server::default() };
        vec![State {
            servers: vec![server; SERVERS],
            clients: vec![Client::new(self.faults.renewals); self.clients],
            late: Vec::new(),
            faults: self.faults,
            clock: 0,
            free: 0,
            highest: 0,
            tokens_grow: true,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        (0..self.clients).for_each(|client| self.acts(state, client, actions));
        self.faults(state, actions);
        let may_tick = state.faults.stalls > 0 || !self.is_late(state);
        if may_tick && !state.clients.iter().all(Client::is_done) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Call(client, at) => state.call(self, client, at, true),
            Action::SendLate(client, at) => {
                state.faults.late -= 1;
                state.call(self, client, at, false);
            }
            Action::Arrive(message) => state.arrive(self, message),
            Action::Vanish(message) => _ = state.late.remove(message),
            Action::Raise(client) => state.clients[client].raise(),
            Action::GiveVotesBack(client) => state.clients[client].give_votes_back(),
            Action::Renew(client) => state.clients[client].renew(),
            Action::Leave(client) => {
                let cancels = state.clients[client].seeks();
                state.faults.cancels -= u8::from(cancels);
                state.clients[client].leave();
            }
            Action::Crash(client) => {
                state.faults.crashes -= 1;
                state.clients[client] = Client::crashed();
            }
            Action::GoDown(at) => {
                state.faults.outages -= 1;
                state.servers[at].is_down = true;
            }
            Action::ComeBack(at) => state.servers[at].is_down = false,
            Action::LoseData(at) => {
                state.faults.losses -= 1;
                let is_down = state.servers[at].is_down;
                state.servers[at] = Server::default();
                state.servers[at].is_down = is_down;
            }
            Action::Leap(at) => {
                state.faults.leaps -= 1;
                state.servers[at].held.iter_mut().for_each(|held| held.ends = 0);
            }
            Action::Tick => state.tick(self),
        }
        Some(state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.free <= self.free_max + 1 && state.clock <= CLOCK_MAX
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one valid holder", |_, state: &State| {
                state.clients.iter().filter(|client| client.holds()).count() <= 1
            }),
            Property::always("tokens grow", |_, state: &State| state.tokens_grow),
            Property::always("somebody is granted in time", |protocol: &Self, state: &State| {
                state.free <= protocol.free_max
            }),
            Property::always("it ends only when everybody is done", |protocol: &Self, state: &State| {
                let mut actions = Vec::new();
                protocol.actions(state, &mut actions);
                !actions.is_empty() || state.clients.iter().all(Client::is_done)
            }),
            Property::sometimes("everybody is done", |_, state: &State| {
                state.clients.iter().all(|client| client.phase == Phase::Out) && state.late.is_empty()
            }),
        ]
    }
}
