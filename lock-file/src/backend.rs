//! The contract, in terms of the parts.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lock_core::{
    Capabilities, DistributedLock, Entered, Error, FencingToken, KeyState, Lease, LockKey, Moment, Operation,
    ParentLease, Registry, Renewed, Request, RequestId, SecretHash, StoreConfig, Ticket, Waited,
};

use crate::{breaking::Broken, config::FileConfig, error::Trouble, key::Key, key_files, layout};

/// How often a held lease is checked: a deleted or broken one is told within 50 ms, with room for a busy machine.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// How many keys keep their files open, some five each: far below the 1024 that a process may open by default.
const KEYS_OPEN_MAX: usize = 64;

/// Locks as files of one host, for all processes that use the same folder.
///
/// # The file system
/// flock must exclude, so network file systems are refused unless the configuration insists. Deleting the files ends
/// what they protect: the holder is told, but exclusion is not promised against deletion.
///
/// # Other programs
/// Whoever locks `<dir>/<key>.lock` with flock(2), such as flock(1) or Python's `fcntl.flock`, excludes us and is excluded
/// by us. They stand in no line.
///
/// # Crashes
/// The kernel ends the locks of a dead process. Tokens go on from the record of the last one, or, should the machine
/// have lost it, from the clock. Nothing is synced to the disk: no lock outlives the machine's uptime anyway.
#[derive(Debug)]
pub struct FileLock {
    config: Arc<FileConfig>,
    name: String,
    keys: Mutex<HashMap<LockKey, Arc<Key>>>,
    /// Makes process numbers that nobody else has.
    numbers: RandomState,
}

impl FileLock {
    /// Opens the folder of the locks, making it for this user alone where it is missing.
    ///
    /// # Errors
    /// [`Error::Store`] says which folder and why: it cannot be opened or made, every user could take the locks away, or
    /// it is on a network.
    pub fn open(mut config: FileConfig) -> Result<Self, Error> {
        let given = config.dir.clone();
        let name = format!("file:{}", given.display());
        let failed = |trouble: Trouble| trouble.of(Operation::Open, name.clone(), name.clone());
        config.dir = std::path::absolute(&given).map_err(Trouble::io("find", &given)).map_err(failed)?;
        key_files::open_gates(&config.dir, config.allow_network_fs).map_err(failed)?;
        let name = format!("file:{}", config.dir.display());
        Ok(Self { config: Arc::new(config), name, keys: Mutex::default(), numbers: RandomState::new() })
    }

    /// Adds this backend to a registry under `file`. Its URL is `file:DIR`; without a folder it is
    /// `<root>/runtime/locks`.
    pub fn register(registry: &mut Registry) {
        registry.register("file", |store| {
            Box::pin(async move {
                let lock = Self::open(FileConfig::from_store(&store))?;
                Ok(Arc::new(lock) as Arc<dyn DistributedLock>)
            })
        });
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<LockKey, Arc<Key>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, name: &LockKey) -> Arc<Key> {
        let mut keys = self.keys();
        if let Some(key) = keys.get(name) {
            return Arc::clone(key);
        }
        if keys.len() >= KEYS_OPEN_MAX {
            // One that a call is at work on has another owner; one with tickets or leases is not idle.
            keys.retain(|_, key| Arc::strong_count(key) > 1 || !key.is_idle());
        }
        let process = self.numbers.hash_one((name, std::process::id(), Moment::now()));
        let key = Key::new(name.clone(), Arc::clone(&self.config), process);
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
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A thread that sleeps for a ticket keeps its key alive; nobody could take its grant any more.
        for key in self.keys().values() {
            let left: Vec<RequestId> = key.table().tickets.keys().copied().collect();
            for request in left {
                if let Err(error) = key.withdraw_now(request) {
                    tracing::warn!(%error, key = %key.name, "a ticket stays in line until its process ends");
                }
            }
        }
    }
}

impl fmt::Display for FileLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[async_trait]
impl DistributedLock for FileLock {
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
        let failed = || self.failed(key, Operation::Break);
        match self.key(key).break_lease(token, kill).await.map_err(failed())? {
            Broken::Done => Ok(()),
            Broken::Refused(why) => {
                let (key, store) = (key.to_string(), self.name.clone());
                Err(Error::Unsupported { key, operation: Operation::Break, store, why })
            }
            Broken::NotHolder => {
                let state = Box::new(self.inspect(key).await?);
                Err(Error::NotHolder { key: key.clone(), token, state })
            }
        }
    }
}

impl FileConfig {
    /// What a registry's configuration says.
    #[must_use]
    pub fn from_store(store: &StoreConfig) -> Self {
        let dir = if store.rest().is_empty() { store.root.join(layout::DEFAULT) } else { store.rest().into() };
        Self {
            allow_network_fs: store.allow_network_fs,
            queue_max: store.queue_max,
            sweep: store.sweep,
            ..Self::new(dir)
        }
    }
}

impl Key {
    async fn enter(self: &Arc<Self>, request: &Request) -> Result<Entered, Trouble> {
        // The mark ends with the work, which may outlast this future.
        let mark = self.begin_enter(request.id);
        let request = request.clone();
        self.in_section(move |section| {
            let _mark = mark;
            section.enter(&request)
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
        let left = self.in_section(move |section| section.withdraw(request)).await;
        self.unless_left(request, left)
    }

    fn withdraw_now(&self, request: RequestId) -> Result<(), Trouble> {
        if self.let_go(request, None) {
            return Ok(());
        }
        let left = self.section().and_then(|mut section| section.withdraw(request));
        self.unless_left(request, left)
    }

    /// Where the files could not be reached, the request would be put back in line when they are there again.
    fn unless_left(&self, request: RequestId, left: Result<(), Trouble>) -> Result<(), Trouble> {
        if left.is_err() {
            self.abandon(request);
        }
        left
    }

    async fn held_under(self: &Arc<Self>, secret: SecretHash) -> Result<Option<FencingToken>, Trouble> {
        if !self.has_files()? {
            return Ok(None);
        }
        // Asked some fifty times a second while the lease is inherited, and then the quick look suffices.
        if let Some(token) = self.surely_held_under(secret)? {
            return Ok(Some(token));
        }
        self.in_section(move |section| section.held_under(secret)).await
    }

    async fn break_lease(self: &Arc<Self>, token: FencingToken, kill: bool) -> Result<Broken, Trouble> {
        if !self.has_files()? {
            return Ok(Broken::NotHolder);
        }
        self.in_section(move |section| section.break_lease(token, kill)).await
    }
}

#[cfg(test)]
mod tests {
    use lock_core::background;

    use super::*;
    use crate::testing::{holds, key, waits};

    #[test]
    fn a_request_that_cannot_be_withdrawn_is_not_in_line_when_the_files_are_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let (locks, aside) = (folder.path().join("locks"), folder.path().join("aside"));
        let [holder, waiter] = [1, 2].map(|process| key(&locks, process));
        holds(&holder, 1);
        waits(&waiter, 2);
        std::fs::rename(&locks, &aside).unwrap();
        std::fs::write(&locks, "").unwrap();
        assert!(background::handle().unwrap().block_on(waiter.withdraw(RequestId(2))).is_err(), "the folder is gone");
        std::fs::remove_file(&locks).unwrap();
        std::fs::rename(&aside, &locks).unwrap();
        assert!(waiter.section().unwrap().line().unwrap().entries().is_empty());
    }
}
