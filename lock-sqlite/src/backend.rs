//! The contract, in terms of the parts.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, KeyState, Lease, LockKey, Moment, Operation, Owner,
    ParentLease, Registry, Renewed, Request, RequestId, SecretHash, Ticket, Waited, background,
};

use crate::{
    breaking::{self, Broken},
    config::SqliteConfig,
    error::Trouble,
    key::Key,
    store::{Store, lock},
};

/// How often a held lease is checked: a deleted or broken one is told within 50 ms, with room for a busy machine.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// How many keys are remembered before idle ones are forgotten.
const KEYS_MAX: usize = 256;

/// Locks as rows of one database, for all processes of one host that use it.
///
/// # The file system
/// SQLite's write-ahead log and flock must work, so network file systems are refused. Deleting the database ends what it
/// protects: the holder is told. As long as the files beside it are there, nothing is granted from a new one before the
/// holders of the old one have let go; without them, exclusion is not promised.
///
/// # Other programs
/// They may read the database. One that keeps a transaction open holds up whoever asks or leaves, for at most 4 s each,
/// and then they are told; holding, waiting and releasing go on.
///
/// # Crashes
/// The kernel ends the leases and places of a dead process, and SQLite its transaction. Tokens go on from the row of the
/// last one, or, should the machine have lost it, from the clock. A damaged database is kept under another name and made
/// anew.
#[derive(Debug)]
pub struct SqliteLock {
    store: Arc<Store>,
    name: String,
    keys: Mutex<HashMap<LockKey, Arc<Key>>>,
}

impl SqliteLock {
    /// Opens the database, making it for this user alone where it is missing. Blocks for as long as others make it or have
    /// it locked, at most 4 s.
    ///
    /// # Errors
    /// [`Error::Store`] says which database and why: it cannot be opened or made, is another program's or a newer
    /// version's, or is on a network.
    pub fn open(config: SqliteConfig) -> Result<Self, Error> {
        let name = format!("sqlite:{}", config.path.display());
        let opened = Store::open(config).map_err(|trouble| trouble.of(Operation::Open, name.clone(), name))?;
        let name = format!("sqlite:{}", opened.path.display());
        Ok(Self { store: Arc::new(opened), name, keys: Mutex::default() })
    }

    /// Adds this backend to a registry under `sqlite`. Its URL is `sqlite:PATH`; without a path it is
    /// `<root>/runtime/locks.sqlite`.
    pub fn register(registry: &mut Registry) {
        registry.register("sqlite", |store| {
            Box::pin(async move {
                let opening =
                    background::handle()?.spawn_blocking(move || Self::open(SqliteConfig::from_store(&store)));
                let lock = opening.await.map_err(|_| Error::Config("the background thread ended".into()))??;
                Ok(Arc::new(lock) as Arc<dyn DistributedLock>)
            })
        });
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<LockKey, Arc<Key>>> {
        lock(&self.keys)
    }

    fn key(&self, name: &LockKey) -> Arc<Key> {
        let mut keys = self.keys();
        if let Some(key) = keys.get(name) {
            return Arc::clone(key);
        }
        if keys.len() >= KEYS_MAX {
            // One that a call is at work on has another owner; one with tickets or leases is not idle.
            keys.retain(|_, key| Arc::strong_count(key) > 1 || !key.is_idle());
        }
        let key = Key::new(name.clone(), Arc::clone(&self.store));
        keys.insert(name.clone(), Arc::clone(&key));
        key
    }

    fn failed(&self, key: &LockKey, operation: Operation) -> impl FnOnce(Trouble) -> Error {
        let (key, store) = (key.clone(), self.name.clone());
        move |trouble| match trouble {
            Trouble::Full { waiting, max } => Error::QueueFull { key, waiting, max },
            trouble => trouble.of(operation, key.to_string(), store),
        }
    }

    async fn kill(&self, name: &LockKey, token: FencingToken, owner: Owner) -> Result<(), Error> {
        let key = self.key(name);
        let killing = move || breaking::kill(&owner, || key.is_held_by(&owner, token));
        let killed = background::handle()?.spawn_blocking(killing).await;
        let killed = killed.map_err(|_| Trouble::Background).flatten().map_err(self.failed(name, Operation::Break))?;
        killed.map_err(|why| {
            let (key, store) = (name.to_string(), self.name.clone());
            Error::Unsupported { key, operation: Operation::Break, store, why }
        })
    }
}

impl Drop for SqliteLock {
    fn drop(&mut self) {
        // A thread that sleeps for a ticket keeps its key alive; nobody could take its grant any more.
        for key in self.keys().values() {
            let left: Vec<RequestId> = key.table().tickets.keys().copied().collect();
            for request in left {
                key.abandon(request);
            }
        }
    }
}

impl fmt::Display for SqliteLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[async_trait]
impl DistributedLock for SqliteLock {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            expires: false,
            cross_process: true,
            cross_host: false,
            ordered: true,
            proves_death: true,
            check_every: CHECK_EVERY,
        }
    }

    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error> {
        self.key(key).enter(request).await.map_err(self.failed(key, Operation::Enter))
    }

    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error> {
        self.key(&ticket.key).wait(ticket, until).await.map_err(self.failed(&ticket.key, Operation::Wait))
    }

    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error> {
        self.key(key).withdraw(request).await.map_err(self.failed(key, Operation::Withdraw))
    }

    async fn renew(&self, lease: &Lease, _ttl: Duration) -> Result<Renewed, Error> {
        let key = self.key(&lease.key);
        match key.check(lease.request, lease.token).map_err(self.failed(&lease.key, Operation::Renew))? {
            Ok(()) => Ok(Renewed { deadline: None }),
            Err(reason) => Err(Error::Lost { key: lease.key.clone(), token: lease.token, reason }),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.key(&lease.key).let_go(lease.request, Some(lease.token));
        Ok(())
    }

    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error> {
        self.key(key).inspect().await.map_err(self.failed(key, Operation::Inspect))
    }

    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error> {
        let token = self.key(key).held_under(secret).await.map_err(self.failed(key, Operation::Inspect))?;
        Ok(token.map(ParentLease::without_end))
    }

    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error> {
        let broken = self.key(key).changed(move |change| change.break_lease(token, kill)).await;
        match broken.map_err(self.failed(key, Operation::Break))? {
            Broken::Done => Ok(()),
            Broken::Doomed(owner) => self.kill(key, token, owner).await,
            Broken::NotHolder => {
                let state = Box::new(self.inspect(key).await?);
                Err(Error::NotHolder { key: key.clone(), token, state })
            }
        }
    }
}

impl Key {
    async fn enter(self: &Arc<Self>, request: &Request) -> Result<Entered, Trouble> {
        // The mark ends with the work, which may outlast this future.
        let mark = self.begin_enter(request.id);
        let request = request.clone();
        self.changed(move |change| {
            let _mark = &mark;
            change.enter(&request)
        })
        .await
    }

    async fn withdraw(self: &Arc<Self>, request: RequestId) -> Result<(), Trouble> {
        let entering = self.stop_enter(request);
        if self.let_go(request, None) {
            return Ok(());
        }
        if !entering && !self.table().tickets.contains_key(&request) {
            return Ok(());
        }
        let left = self.changed(move |change| change.withdraw(request)).await;
        if left.is_err() {
            self.abandon(request);
        }
        left
    }
}
