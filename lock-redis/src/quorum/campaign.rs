//! One request on its way to a majority: where it stands on each server, and what it does about it.

use std::{sync::Arc, task::Poll, time::Duration};

use lock_core::{FencingToken, Lease, LockKey, Moment, Place, Request, background};

use crate::{
    error::Trouble,
    quorum::{
        Servers,
        lease::{Claim, Round},
        patience::{Patience, random},
        seat::{self, Seat, Vote},
    },
    waiting::{OUTAGE_MAX, hex},
};

/// A vote ends after this, unless its request comes to a majority: what a client costs the others that dies in between.
const VOTE: Duration = Duration::from_secs(2);

/// How long a server that gave an error is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How long after a failed second round the next attempt is made, at most.
const AGAIN_WITHIN: Duration = Duration::from_millis(50);

/// How often it is looked whether servers in whose line it stands still answer.
const LOOK_EVERY: Duration = Duration::from_millis(600);

/// One request, and its seat on each server.
pub(crate) struct Campaign {
    servers: Arc<Servers>,
    key: LockKey,
    /// As the servers see it: with the time of a vote.
    request: Request,
    /// The time of the lease.
    ttl: Duration,
    owner: String,
    seats: Vec<Seat>,
    patience: Patience,
    /// The highest token under which it has given a vote or a lease back.
    given_back: FencingToken,
    /// Since when no majority could be asked.
    failing_since: Option<Moment>,
    /// Why a majority was not enough the last time.
    young: Option<Trouble>,
    /// The place that its caller knows of.
    told: Place,
}

/// How it stands on all servers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A majority has voted for it.
    Won,
    /// Servers have not answered yet that may still give it a majority, or a place in line.
    Open,
    /// It waits.
    InLine(Place),
    /// No majority can be asked.
    Nowhere,
}

impl Campaign {
    /// Nothing is sent before [`Campaign::enter`].
    pub(crate) fn new(servers: Arc<Servers>, key: &LockKey, request: &Request) -> Result<Self, Trouble> {
        let owner = serde_json::to_string(&request.owner);
        let owner = owner.map_err(|_| Trouble::Strange { server: servers.name.clone(), script: "the owner" })?;
        let (key, ttl) = (key.clone(), request.ttl);
        let request = Request { ttl: ttl.min(VOTE), ..request.clone() };
        let seats = servers.clients.iter().map(|server| Seat::seek(server, &key, &request, None)).collect();
        let (patience, given_back) = (Patience::default(), FencingToken(0));
        let (failing_since, young, told) = (None, None, Place { ahead: 0 });
        Ok(Self { servers, key, request, ttl, owner, seats, patience, given_back, failing_since, young, told })
    }

    /// The lease if a majority votes for it at once; else its place in line, and the number of its ticket.
    pub(crate) async fn enter(&mut self) -> Result<Result<Lease, (u64, Place)>, Trouble> {
        loop {
            match self.standing() {
                Standing::Won => {
                    if let Some(lease) = self.hold().await? {
                        return Ok(Ok(lease));
                    }
                    if let Some(young) = self.young.take() {
                        return Err(young);
                    }
                }
                Standing::Open => self.change(Moment::now() + LOOK_EVERY).await?,
                Standing::InLine(place) => {
                    self.told = place;
                    return Ok(Err((self.number().unwrap_or_default(), place)));
                }
                Standing::Nowhere => return Err(self.trouble()),
            }
        }
    }

    /// The lease when a majority votes for it; its place when that has changed, or at `until`.
    pub(crate) async fn wait(&mut self, until: Moment) -> Result<Result<Lease, Place>, Trouble> {
        let mut looked = false;
        loop {
            match self.standing() {
                Standing::Won => {
                    if let Some(lease) = self.hold().await? {
                        return Ok(Ok(lease));
                    }
                    continue;
                }
                Standing::InLine(place) if place != self.told => {
                    self.told = place;
                    return Ok(Err(place));
                }
                Standing::Nowhere => self.bear(until)?,
                Standing::Open | Standing::InLine(_) => self.failing_since = None,
            }
            // Somebody else is what it waits for now.
            if self.seats.iter().any(|seat| seat.in_line().is_some()) {
                self.young = None;
            }
            if looked && until.is_past() {
                return self.young.take().map_or(Ok(Err(self.told)), Err);
            }
            self.change(until).await?;
            looked = true;
        }
    }

    fn standing(&self) -> Standing {
        let needed = self.servers.majority();
        let votes = self.votes().count();
        let asking = self.seats.iter().filter(|seat| seat.is_asking()).count();
        let lost = self.seats.iter().zip(&self.servers.clients).filter(|(seat, server)| {
            seat.trouble().is_some() || (seat.in_line().is_some() && seat::is_failing(server, self.request.id))
        });
        if votes >= needed {
            Standing::Won
        } else if lost.count() > self.seats.len() - needed {
            Standing::Nowhere
        } else if votes + asking >= needed || (asking > 0 && !self.is_known(needed)) {
            Standing::Open
        } else {
            let place = self.seats.iter().find_map(Seat::in_line).map_or(self.told, |line| line.place);
            Standing::InLine(place)
        }
    }

    /// Whether a majority has it in line, or has voted for it.
    fn is_known(&self, needed: usize) -> bool {
        self.seats.iter().filter(|seat| seat.in_line().is_some() || seat.vote().is_some()).count() >= needed
    }

    fn votes(&self) -> impl Iterator<Item = (usize, Vote)> {
        self.seats.iter().enumerate().filter_map(|(at, seat)| Some((at, seat.vote()?)))
    }

    /// The highest that a server has given it.
    fn number(&self) -> Option<u64> {
        let number = |seat: &Seat| seat.in_line().map(|line| line.number).or_else(|| Some(seat.vote()?.number));
        self.seats.iter().filter_map(number).max()
    }

    /// Waits until anything has changed on any server, or it is time to do something about it.
    async fn change(&mut self, until: Moment) -> Result<(), Trouble> {
        let time = self.next_time().min(until);
        let seats = &mut self.seats;
        let turn = std::future::poll_fn(|context| {
            // All of them, for each is woken by its own server.
            let changed = seats.iter_mut().map(|seat| seat.poll(context, PAUSE)).filter(|changed| *changed).count();
            if changed > 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            () = turn => {}
            slept = background::sleep_until(time) => slept?,
        }
        self.attend();
        Ok(())
    }

    /// When it must do something although nothing has changed.
    fn next_time(&self) -> Moment {
        let rests = self.seats.iter().filter_map(|seat| match seat {
            Seat::Resting { until, .. } => Some(*until),
            _ => None,
        });
        rests
            .chain(self.gives_back_at())
            .min()
            .unwrap_or_else(|| Moment::now() + LOOK_EVERY)
            .min(Moment::now() + LOOK_EVERY)
    }

    /// When votes that are no majority are given back.
    fn gives_back_at(&self) -> Option<Moment> {
        let (first, _) = self.votes().next()?;
        self.patience.ends_at(first)
    }

    /// Comes back to servers it has left alone, and gives back votes that have not become a majority.
    fn attend(&mut self) {
        self.agree();
        let votes = self.votes().count();
        self.patience.note(votes);
        let is_too_few = votes < self.servers.majority();
        let gives_back = is_too_few && self.gives_back_at().is_some_and(Moment::is_past);
        // Once in the place that it has in the other lines. Then behind all others: if it always went before them, two whose
        // lines do not agree could hand the same votes to and fro.
        let elsewhere = self.number();
        let back = elsewhere.filter(|_| self.given_back == FencingToken(0));
        for (seat, server) in self.seats.iter_mut().zip(&self.servers.clients) {
            match seat {
                Seat::Resting { until, .. } if until.is_past() => {
                    seat.come_back(server, &self.key, &self.request, elsewhere);
                }
                Seat::Vote(Vote { token, .. }) if gives_back => {
                    let request = Request { number: back, ..self.request.clone() };
                    self.given_back = self.given_back.max(*token);
                    *seat = Seat::seek(server, &self.key, &request, Some(*token));
                }
                _ => {}
            }
        }
        if gives_back {
            self.patience = Patience::default();
        }
    }

    /// Has one number in all lines, the highest that a server gave: those who came at the same moment go in one order then, and a
    /// lock that is passed on goes to the same one on all servers.
    fn agree(&mut self) {
        let Some(number) = self.number().filter(|_| self.is_known(self.servers.majority())) else { return };
        for (seat, server) in self.seats.iter_mut().zip(&self.servers.clients) {
            seat.take_number(server, self.request.id, number);
        }
    }

    /// The second round trip. When it fails, what it has reached is undone, and the next attempt begins after a moment.
    async fn hold(&mut self) -> Result<Option<Lease>, Trouble> {
        let claim = self.claim();
        let servers = Arc::clone(&self.servers);
        let pause = match self.meanwhile(claim.hold(&servers, self.ttl)).await? {
            Round::Counts(deadline) => {
                let Claim { key, request, token, number, .. } = claim;
                let (owner, deadline) = (self.request.owner.clone(), Some(deadline));
                return Ok(Some(Lease { key, request, token, owner, ticket: number, deadline, liveness: None }));
            }
            Round::Lapsed => AGAIN_WITHIN,
            Round::Young(said) => {
                let store = servers.name.clone();
                self.young = (!said.is_empty()).then_some(Trouble::Young { store, said });
                PAUSE
            }
        };
        self.given_back = self.given_back.max(claim.token);
        tracing::debug!(key = %self.key, token = %claim.token, young = self.young.is_some(), "not yet of a majority");
        self.meanwhile(servers.give_back(&claim.key, claim.request, Some(claim.token), false)).await?;
        for seat in &mut self.seats {
            if let Seat::Vote(_) = seat {
                let until = Moment::now() + pause.mul_f64(random());
                *seat = Seat::Resting { until, trouble: None, number: None };
            }
        }
        Ok(None)
    }

    /// Does this while the seats go on: one that speaks for all waiters of this client on its server would keep the answer from
    /// them.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let (seats, mut work) = (&mut self.seats, std::pin::pin!(work));
        std::future::poll_fn(|context| {
            seats.iter_mut().for_each(|seat| _ = seat.poll(context, PAUSE));
            work.as_mut().poll(context)
        })
        .await
    }

    /// The highest token that was proposed is above all that a majority knows of; and above all that it has given back, for a
    /// server that hears of that too late must not take the lease for it.
    pub(crate) fn claim(&self) -> Claim {
        let unused = FencingToken(self.given_back.0 + 1);
        Claim {
            key: self.key.clone(),
            request: self.request.id,
            token: self.votes().map(|(_, vote)| vote.token).max().unwrap_or_default().max(unused),
            number: self.number().unwrap_or_default(),
            owner: self.owner.clone(),
            secret: hex(&self.request.secret_hash.0),
        }
    }

    /// What keeps a majority from being asked.
    fn trouble(&self) -> Trouble {
        let said: Vec<Trouble> = self.seats.iter().filter_map(|seat| seat.trouble().cloned()).collect();
        match said.iter().find(|trouble| {
            matches!(trouble, Trouble::Full { .. } | Trouble::Broken(_) | Trouble::Withdrawn | Trouble::Ttl { .. })
        }) {
            Some(answer) => answer.clone(),
            None => self.servers.no_majority(said),
        }
    }

    /// Whether to go on although no majority can be asked.
    fn bear(&mut self, until: Moment) -> Result<(), Trouble> {
        let since = *self.failing_since.get_or_insert_with(Moment::now);
        let may_pass = self.seats.iter().filter_map(Seat::trouble).all(Trouble::may_pass);
        if may_pass && since.elapsed() < OUTAGE_MAX && !until.is_past() {
            return Ok(());
        }
        Err(self.trouble())
    }
}
