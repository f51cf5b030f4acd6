//! The contract, kept by a majority.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, KeyState, Lease, LockKey, Moment, Operation,
    ParentLease, Renewed, Request, RequestId, SecretHash, Ticket, Waited,
};

use crate::{
    backend::{CHECK_EVERY, no_kill},
    config::RedisConfig,
    error::Trouble,
    quorum::{Servers, campaign::Campaign, gathering::Gathering, lease::Claim},
};

/// Locks on a majority of independent servers; the head of `src/quorum/mod.rs` says how, and why that is safe.
///
/// Two round trips to all servers at once for a grant, one to renew and to release. Leases, waiters and their times are
/// as on one server ([`RedisLock`](crate::RedisLock)), and so are priority and aging on each of the servers; but of the line of all
/// together no order is promised.
///
/// # What the servers must keep
/// While no more than a minority is away, or has lost its data, the lock is exclusive and tokens grow. A server that was lost
/// counts again 500 ms after it is back, when the holders have told it of their leases.
#[derive(Debug)]
pub struct QuorumLock {
    pub(crate) servers: Arc<Servers>,
    campaigns: Mutex<HashMap<RequestId, Entry>>,
    /// What servers are told of the leases of this client when they have missed them.
    claims: Mutex<HashMap<RequestId, Claim>>,
}

/// A request that stands in line.
#[derive(Clone)]
struct Entry {
    /// The number of the ticket that its caller has.
    number: u64,
    campaign: Arc<tokio::sync::Mutex<Campaign>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("number", &self.number).finish_non_exhaustive()
    }
}

impl QuorumLock {
    /// Connects to the servers, and checks the versions and roles of those that answer.
    ///
    /// # Errors
    /// [`Error::Store`] when fewer than a majority can be used, naming each that cannot and why; [`Error::Config`] for wrong
    /// settings.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn open(config: RedisConfig) -> Result<Self, Error> {
        config.check()?;
        let name = config.name();
        let failed = |trouble: Trouble| trouble.of(Operation::Open, name.clone(), name.clone());
        let servers = Servers::new(&config).map_err(failed)?;
        servers.open().await.map_err(failed)?;
        Ok(Self { servers: Arc::new(servers), campaigns: Mutex::default(), claims: Mutex::default() })
    }

    fn campaigns(&self) -> MutexGuard<'_, HashMap<RequestId, Entry>> {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<RequestId, Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request stands nowhere any more, as far as this client goes.
    fn forget(&self, request: RequestId) {
        self.campaigns().remove(&request);
        self.servers.clients.iter().for_each(|server| server.line.remove(request));
    }

    /// The numbers of this client's own tickets: each server has numbers of its own.
    pub(crate) fn numbers(&self) -> HashMap<RequestId, u64> {
        self.campaigns().iter().map(|(request, entry)| (*request, entry.number)).collect()
    }

    /// What its waiting has come to.
    fn granted(&self, campaign: &Campaign, lease: &Lease) {
        // Another vote, for a higher token, may have come since the lease was asked for.
        let claim = Claim { token: lease.token, number: lease.ticket, ..campaign.claim() };
        self.claims().insert(lease.request, claim);
        self.forget(lease.request);
    }

    async fn ask(&self, key: &LockKey, request: &Request) -> Result<Entered, Trouble> {
        let mut campaign = Campaign::new(Arc::clone(&self.servers), key, request)?;
        match campaign.enter().await {
            Ok(Ok(lease)) => {
                self.granted(&campaign, &lease);
                Ok(Entered::Granted(lease))
            }
            Ok(Err((number, place))) => {
                let campaign = Arc::new(tokio::sync::Mutex::new(campaign));
                self.campaigns().insert(request.id, Entry { number, campaign });
                Ok(Entered::Queued(Ticket { key: key.clone(), request: request.id, number }, place))
            }
            Err(trouble) => {
                self.forget(request.id);
                Err(trouble)
            }
        }
    }

    async fn await_turn(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Trouble> {
        let entry = self.campaigns().get(&ticket.request).cloned().ok_or(Trouble::NoTicket)?;
        let mut campaign = entry.campaign.lock().await;
        match campaign.wait(until).await? {
            Ok(lease) => {
                self.granted(&campaign, &lease);
                Ok(Waited::Granted(lease))
            }
            Err(place) => Ok(Waited::Queued(place)),
        }
    }

    fn failed(&self, key: &LockKey, operation: Operation) -> impl FnOnce(Trouble) -> Error {
        self.servers.failed(key, operation)
    }
}

impl Servers {
    /// Connects to all of them; a majority must be there.
    async fn open(&self) -> Result<(), Trouble> {
        let mut opening = Gathering::of(&self.clients, |server| async move { server.link.open().await });
        let needed = self.majority();
        opening.until(|answers| answers.known() >= needed).await;
        let answers = opening.and_others(Duration::MAX).await?;
        for trouble in answers.troubles() {
            tracing::warn!(error = %trouble, "a server of the quorum cannot be used");
        }
        if answers.known() >= needed { Ok(()) } else { Err(self.no_majority(answers.troubles())) }
    }

    pub(crate) fn failed(&self, key: &LockKey, operation: Operation) -> impl FnOnce(Trouble) -> Error {
        let (key, store) = (key.clone(), self.name.clone());
        move |trouble| trouble.of_key(operation, key, store)
    }
}

impl fmt::Display for QuorumLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.servers.name)
    }
}

#[async_trait]
impl DistributedLock for QuorumLock {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: true,
            cross_process: true,
            cross_host: true,
            ordered: false,
            proves_death: false,
            check_every: CHECK_EVERY,
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        self.ask(key, request).await.map_err(self.failed(key, Operation::Enter))
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        self.await_turn(ticket, until).await.map_err(self.failed(&ticket.key, Operation::Wait))
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        self.forget(request);
        self.claims().remove(&request);
        self.servers.give_back(key, request, None, true).await.map_err(self.failed(key, Operation::Withdraw))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error> {
        let claim = self.claims().get(&lease.request).cloned();
        match self.servers.renew(lease, ttl, claim).await.map_err(self.failed(&lease.key, Operation::Renew))? {
            Ok(renewed) => Ok(renewed),
            Err(reason) => {
                self.claims().remove(&lease.request);
                Err(Error::Lost { key: lease.key.clone(), token: lease.token, reason })
            }
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.claims().remove(&lease.request);
        let released = self.servers.give_back(&lease.key, lease.request, Some(lease.token), true).await;
        released.map_err(self.failed(&lease.key, Operation::Release))
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        self.look(key).await.map_err(self.failed(key, Operation::Inspect))
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        self.servers.held_under(key, secret).await.map_err(self.failed(key, Operation::Inspect))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error> {
        if kill {
            return Err(no_kill(key, self.to_string()));
        }
        if self.servers.mark_broken(key, token).await.map_err(self.failed(key, Operation::Break))? {
            return Ok(());
        }
        let state = Box::new(self.inspect(key).await?);
        Err(Error::NotHolder { key: key.clone(), token, state })
    }
}
