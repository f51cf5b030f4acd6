//! The contract, in terms of the parts.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, KeyState, Lease, LockKey, LossReason, Moment,
    Operation, ParentLease, Registry, Renewed, Request, RequestId, SecretHash, Ticket, Waited,
};

use crate::{
    config::{Address, RedisConfig},
    deadline::{deadline, ttl_ms},
    error::Trouble,
    keys::{self, Keys},
    line::Line,
    link::Link,
    quorum::QuorumLock,
    replicas::Again,
    reply::{text, texts},
    scripts::{BREAK, HELD_UNDER, RELEASE, RENEW, WITHDRAW},
    server::Server,
    waiting::hex,
};

/// How often a held lease is renewed and looks for its mark of being broken: two small calls a second for each.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(500);

/// The schemes of its URLs.
pub const SCHEMES: [&str; 9] = [
    "redis",
    "rediss",
    "redis+unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
    "redis+quorum",
    "rediss+quorum",
];

/// Locks on a Redis server, or on the nodes of a Cluster, for all hosts that reach it.
///
/// # Leases
/// They end by the server's clock unless renewed, and by the client's own clock before that. A lease that is handed over
/// ends after 2 s unless its taker takes it up; its full time counts from then.
///
/// # Waiters
/// Each is heard of every 600 ms at the latest, all of a client in one call for each key. One that would be next is passed
/// over after 2 s of silence, any other one after 10 s; who speaks again stands where it stood.
///
/// # What the server must keep
/// Its data, for the line and the holder. When they are lost, who waits comes back with its number, and the first to be
/// back holds although earlier ones may not be back yet; who holds is told within 500 ms, and until then two may hold.
/// Tokens still grow, for they are at least the server's clock. The same is true of a failover to a replica that lags
/// behind. The fencing token is the answer to both.
#[derive(Debug)]
pub struct RedisLock {
    pub(crate) client: Client,
}

/// The parts of one client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) line: Arc<Line>,
    /// Where this client is woken.
    pub(crate) channel: String,
    /// The store's name.
    pub(crate) name: String,
}

impl RedisLock {
    /// Connects to the server, and checks its version and its role.
    ///
    /// # Errors
    /// [`Error::Store`] names the server and says what to do; [`Error::Config`] for wrong settings.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn open(config: RedisConfig) -> Result<Self, Error> {
        config.check()?;
        let name = config.name();
        let failed = |trouble: Trouble| trouble.of(Operation::Open, name.clone(), name.clone());
        let client = Client::new(config).map_err(failed)?;
        client.link.open().await.map_err(failed)?;
        Ok(Self { client })
    }

    /// Adds this backend, and that of a quorum, to a registry under each of [`SCHEMES`]. Their URLs are
    /// [`RedisConfig::parse`]'s; `amend` adds what is not in the URL, such as the password.
    pub fn register(
        registry: &mut Registry,
        amend: impl Fn(RedisConfig) -> Result<RedisConfig, Error> + Clone + Send + Sync + 'static,
    ) {
        for scheme in SCHEMES {
            let amend = amend.clone();
            registry.register(scheme, move |store| {
                let config = RedisConfig::from_store(&store).and_then(&amend);
                Box::pin(async move { open(config?).await })
            });
        }
    }

    fn failed(&self, key: &LockKey, operation: Operation) -> impl FnOnce(Trouble) -> Error {
        let (key, store) = (key.clone(), self.client.name.clone());
        move |trouble| trouble.of_key(operation, key, store)
    }
}

/// Opens what the address names: one store, or a quorum of them.
async fn open(config: RedisConfig) -> Result<Arc<dyn DistributedLock>, Error> {
    match config.address {
        Address::Quorum { .. } => Ok(Arc::new(QuorumLock::open(config).await?)),
        _ => Ok(Arc::new(RedisLock::open(config).await?)),
    }
}

/// Why no holder is killed from here.
pub(crate) fn no_kill(key: &LockKey, store: String) -> Error {
    let why = "its leases end by themselves, and their holders may be on other hosts; break without --kill, and the lock passes \
               on when the holder lets go or its lease ends";
    Error::Unsupported { key: key.to_string(), operation: Operation::Break, store, why: why.to_owned() }
}

/// What RENEW takes.
pub(crate) fn renewal(request: RequestId, token: FencingToken, ttl: Duration) -> Result<[String; 3], Trouble> {
    Ok([request.to_string(), token.to_string(), ttl_ms(ttl)?.to_string()])
}

/// Tells clients apart: two that shared a channel would wake each other in vain.
fn client_id() -> RequestId {
    let half = || u128::from(RandomState::new().hash_one((std::process::id(), Moment::now())));
    RequestId(half() << 64 | half())
}

impl fmt::Display for RedisLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.client.name)
    }
}

#[async_trait]
impl DistributedLock for RedisLock {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: true,
            cross_process: true,
            cross_host: true,
            ordered: true,
            proves_death: false,
            check_every: CHECK_EVERY,
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        self.client.enter(key, request).await.map_err(self.failed(key, Operation::Enter))
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        self.client.wait(ticket, until).await.map_err(self.failed(&ticket.key, Operation::Wait))
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        self.client.withdraw(key, request).await.map_err(self.failed(key, Operation::Withdraw))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error> {
        match self.client.renew(lease, ttl).await.map_err(self.failed(&lease.key, Operation::Renew))? {
            Ok(renewed) => Ok(renewed),
            Err(reason) => Err(Error::Lost { key: lease.key.clone(), token: lease.token, reason }),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.client.release(lease).await.map_err(self.failed(&lease.key, Operation::Release))
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        self.client.inspect(key).await.map_err(self.failed(key, Operation::Inspect))
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        self.client.held_under(key, secret).await.map_err(self.failed(key, Operation::Inspect))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error> {
        if kill {
            return Err(no_kill(key, self.to_string()));
        }
        if self.client.mark_broken(key, token).await.map_err(self.failed(key, Operation::Break))? {
            return Ok(());
        }
        let state = Box::new(self.inspect(key).await?);
        Err(Error::NotHolder { key: key.clone(), token, state })
    }
}

impl Client {
    /// Reads the certificates; nothing is sent yet.
    pub(crate) fn new(config: RedisConfig) -> Result<Self, Trouble> {
        let (name, channel) = (config.name(), keys::channel(&config, client_id()));
        let line = Arc::new(Line::default());
        let server = Server::new(Arc::new(config), channel.clone())?;
        Ok(Self { link: Link::new(server, Arc::clone(&line)), line, channel, name })
    }

    /// An answer that no script of ours gives.
    pub(crate) fn strange(&self, script: &'static str) -> Trouble {
        Trouble::Strange { server: self.name.clone(), script }
    }

    pub(crate) fn keys(&self, key: &LockKey) -> Keys {
        Keys::of(&self.link.config, key)
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Trouble> {
        self.line.remove(request);
        self.link.call(&WITHDRAW, &self.keys(key), &[request.to_string()]).await.map(drop)
    }

    pub(crate) async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Result<Renewed, LossReason>, Trouble> {
        let (keys, arguments) = (self.keys(&lease.key), renewal(lease.request, lease.token, ttl)?);
        let answer = self.link.call(&RENEW, &keys, &arguments).await?;
        match text(&answer.value) {
            Some("held") => self
                .link
                .await_replicas(&answer, Again { script: &RENEW, keys: &keys, arguments: &arguments })
                .await
                .map(|()| Ok(Renewed { deadline: Some(deadline(answer.sent, ttl)) })),
            Some("broken") => Ok(Err(LossReason::Broken)),
            Some("ended") => Ok(Err(LossReason::Expired)),
            Some("replaced") => Ok(Err(LossReason::Replaced)),
            Some("gone") => Ok(Err(LossReason::StoreGone)),
            _ => Err(self.strange(RENEW.name)),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Trouble> {
        let arguments = [lease.request.to_string(), lease.token.to_string()];
        self.link.call(&RELEASE, &self.keys(&lease.key), &arguments).await.map(drop)
    }

    pub(crate) async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Trouble> {
        let answer = self.link.call(&HELD_UNDER, &self.keys(key), &[hex(&secret.0)]).await?;
        if answer.value == redis::Value::Nil {
            return Ok(None);
        }
        let lease = texts(&answer.value).and_then(|parts| {
            let [token, left_ms] = parts[..] else { return None };
            let left = Duration::from_millis(left_ms.parse().ok()?);
            let token = FencingToken(token.parse().ok()?);
            Some(ParentLease { token, deadline: Some(deadline(answer.sent, left)) })
        });
        lease.map(Some).ok_or_else(|| self.strange(HELD_UNDER.name))
    }

    pub(crate) async fn mark_broken(&self, key: &LockKey, token: FencingToken) -> Result<bool, Trouble> {
        let answer = self.link.call(&BREAK, &self.keys(key), &[token.to_string()]).await?;
        match answer.value {
            redis::Value::Int(marked) => Ok(marked == 1),
            _ => Err(self.strange(BREAK.name)),
        }
    }
}
