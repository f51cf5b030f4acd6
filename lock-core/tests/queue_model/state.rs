//! All that there is at one moment: the store, its clients, what is between them, and what may still go wrong.

use lock_core::queue;

use crate::{
    client::Client,
    network::{Message, Network, What},
    protocol::Protocol,
    server::{Call, OFFER, Server, TTL, Ticket, standings},
};

/// A head that lives has the lock after at most so many ticks without a holder: the rest of a lease whose holder was
/// stopped, and offers to waiters that were stopped, or whose message was lost.
pub(crate) const FREE_MAX: u8 = TTL + 2 * OFFER;

/// How often each thing may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) lost: u8,
    pub(crate) stops: u8,
    pub(crate) cancels: u8,
    /// The store is away for a while: it hangs, and then does what it was asked for, or it starts anew.
    pub(crate) outages: u8,
    /// An operator breaks the lease that there is.
    pub(crate) breaks: u8,
    /// The store's clock is set back, or forth; its leases last longer by a tick in the first case.
    pub(crate) steps: u8,
    /// The store's clock is set forth and its leases end: what no lease by the clock survives.
    pub(crate) leaps: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) server: Server,
    /// For how many ticks the store has been away, if it is.
    pub(crate) away: Option<u8>,
    pub(crate) clients: Vec<Client>,
    pub(crate) net: Network,
    pub(crate) faults: Faults,
    /// For how many ticks nobody has held, although the store was there and somebody that lives stood in line.
    pub(crate) free: u8,
    /// Whether each grant went to the one of those who live whose turn it was.
    pub(crate) order_kept: bool,
}

impl State {
    pub(crate) fn send(&mut self, client: usize, call: Call) {
        self.clients[client].quiet = 0;
        self.net.post(client, 0, What::Call(call));
    }

    pub(crate) fn deliver(&mut self, at: usize, protocol: &Protocol) {
        let Message { client, age, what } = self.net.take(at);
        let says = match what {
            What::Call(call) => {
                self.serve(client, age, &call, protocol);
                None
            }
            What::Answer(answer) => self.clients[client].hear(&answer, age, protocol.bug),
            What::Wake => self.clients[client].wake(self.server.token_last, protocol.bug),
        };
        if let Some(call) = says {
            self.send(client, call);
        }
    }

    fn serve(&mut self, client: usize, age: u8, call: &Call, protocol: &Protocol) {
        let (line, token) = (self.server.line.clone(), self.server.token_last);
        let (answer, woken) = self.server.call(client, call, protocol.bug);
        if protocol.nobody_is_silent() && self.server.token_last != token {
            self.order_kept &= self.is_turn_of_holder(&line);
        }
        self.net.post(client, age, What::Answer(answer));
        if let Some(woken) = woken {
            self.net.post(woken, 0, What::Wake);
        }
    }

    pub(crate) fn break_lease(&mut self, protocol: &Protocol) {
        if let Some(woken) = self.server.break_lease(protocol.bug) {
            self.net.post(woken, 0, What::Wake);
        }
    }

    /// Whether nobody else in `line` that still wants the lock was to have it first.
    fn is_turn_of_holder(&self, line: &[Ticket]) -> bool {
        let holder = self.server.held.as_ref().map(|held| held.client);
        let counts = |ticket: &&Ticket| Some(ticket.client) == holder || !self.clients[ticket.client].is_out();
        let line: Vec<Ticket> = line.iter().filter(counts).cloned().collect();
        queue::next(&standings(&line)).is_none_or(|next| Some(line[next].client) == holder)
    }

    /// The store is back: it has hung, or it was down, and then who was connected looks for himself.
    pub(crate) fn back(&mut self, was_down: bool) {
        self.away = None;
        if was_down {
            self.net.cut();
            self.clients.iter_mut().for_each(|client| client.quiet = 1);
        }
    }

    pub(crate) fn tick(&mut self, protocol: &Protocol) {
        let nobody_holds = !self.clients.iter().any(Client::holds);
        let waits = |client: &Client| !client.stopped && client.waits();
        // Where nobody is punctual it tells nothing, and would only make states differ.
        let counts = protocol.punctual && self.away.is_none() && nobody_holds && self.clients.iter().any(waits);
        self.free = if counts { (self.free + 1).min(FREE_MAX + 1) } else { 0 };
        self.away = self.away.map(|ticks| ticks + 1);
        self.server.tick();
        self.clients.iter_mut().for_each(Client::tick);
        self.net.tick();
    }
}
