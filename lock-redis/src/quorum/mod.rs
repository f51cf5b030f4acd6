//! One lock over several independent servers: what a majority of them holds is held, and a minority may be lost.
//!
//! # How a lease comes about
//! 1. The request enters on all servers at once, as it would on each of them alone. A server *votes* for one request at a time:
//!    for the one that its own line has next. The vote carries the token that this server proposes, above all that it knows of,
//!    and ends by itself after 2 s.
//! 2. When a majority has voted for it, the client takes the highest of their tokens and has all servers *hold* the lease under
//!    it (`lua/hold.lua`). The grant counts when a majority does.
//!
//! A request with fewer votes waits in the other lines, for a moment, then gives its votes back (`campaign.rs`).
//!
//! # Why two never hold
//! A server holds one lease at a time: it refuses another one until the lease was given back there or has ended, by the server's
//! clock, ttl after it was asked. The client counts ttl from before it asked, less what clocks may drift by, so its lease is over
//! for it before it is on any server of its majority. Two majorities share a server; on that one the two leases follow
//! one another. A renewal counts when a majority *still* has the lease; what others have lost is given to them after
//! that, and never makes a majority.
//!
//! What a client gives back so as to ask again may come late, as any message: so it names its token, and ends nothing above it,
//! and the client holds under none up to it.
//!
//! # Why tokens grow, also from one majority to another
//! Each server keeps the highest token it has held a lease under, and holds none under a lower one, nor under the same one for
//! another request. So all leases that a server has ever held are in the order of their tokens. Of two grants that counted, the
//! majorities share a server: it held one before the other, so their tokens differ; and when the later one was asked for after
//! the earlier one counted, the later one has the higher token. The second round trip is what this needs: had only those
//! that voted known the token, the next majority could propose one below it. The proposals are above what each voter knows, so
//! the highest of them is refused by no voter whose vote has not lapsed.
//!
//! # A server that has lost its data
//! It knows neither the lease nor the tokens. For the tokens its clock stands in, as everywhere. That it holds a lease says nothing
//! of one that it may have forgotten: so each server notes since when it keeps locks, and while that is no longer than a lease,
//! it is *young* and no part of a majority for a new grant, unless all servers hold it (as when all are new). Meanwhile a
//! holder gives its lease to each server that has lost it, within 500 ms. So one server that forgets everything breaks
//! nothing, whenever it does. A server that comes back with older data is not young: it must not forget what it has answered.
//!
//! # Order
//! Each server has a line of its own, with priority and aging. A request that waits takes the highest number that a server has
//! given it in all of them, and no server issues one below what it has seen; so they agree soon, however many come at the same
//! moment, and what is let go passes to the same one everywhere. Until then, after a server was away, between tickets that have
//! aged (each server counts by itself) and between clocks a minute apart, votes may be split; somebody gives back, and who
//! stood first may go second. So no order is promised.
//!
//! # How this is checked
//! `tests/quorum_model` explores votes, tokens and leases in every order of their steps and faults.
//!
//! # Sources
//! Majorities of independent servers, the validity as ttl - elapsed - drift, and giving a minority back: Redlock (S. Sanfilippo,
//! redis.io, "Distributed locks with Redis"); that it needs a fencing token, which it has not: M. Kleppmann, "How to do distributed
//! locking", 2016. A number that is read from a majority, and is left at a majority before it counts: H. Attiya, A.
//! Bar-Noy, D. Dolev, "Sharing memory robustly in message-passing systems", 1995, and L. Lamport, "The part-time parliament", 1998.
//! One number in all lines, the highest that was proposed: D. Skeen, in K. Birman, T. Joseph, "Reliable communication in the
//! presence of failures", 1987. Votes that are given back so that nobody waits in a circle: M. Maekawa, "A sqrt(N) algorithm for
//! mutual exclusion in decentralized systems", 1985.

mod backend;
mod campaign;
mod gathering;
mod lease;
mod observe;
mod patience;
mod seat;

use std::sync::Arc;

pub use backend::QuorumLock;

use crate::{backend::Client, config::RedisConfig, error::Trouble};

/// The servers, in the order of the URL.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) clients: Vec<Arc<Client>>,
    /// The store's name.
    pub(crate) name: String,
}

impl Servers {
    /// Nothing is sent yet.
    fn new(config: &RedisConfig) -> Result<Self, Trouble> {
        let clients = config.of_each_server().into_iter().map(|server| Client::new(server).map(Arc::new));
        Ok(Self { clients: clients.collect::<Result<_, Trouble>>()?, name: config.name() })
    }

    /// How many of them must agree.
    fn majority(&self) -> usize {
        self.clients.len() / 2 + 1
    }

    fn no_majority(&self, said: Vec<Trouble>) -> Trouble {
        Trouble::NoMajority { store: self.name.clone(), asked: self.clients.len(), needed: self.majority(), said }
    }
}
