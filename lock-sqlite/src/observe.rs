//! Looking at a key from outside: who holds it, and who waits.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use lock_core::{FencingToken, Holder, KeyState, LockKey, Moment, Owner, SecretHash, Waiter, background, turn};

use crate::{baton::Life, busy, entry::Record, error::Trouble, key::Key, layout::Kind, queries, store::Database};

impl Key {
    /// See [`lock_core::DistributedLock::inspect`]. Not here and now: each waiting process costs a few system calls.
    pub(crate) async fn inspect(self: &Arc<Self>) -> Result<KeyState, Trouble> {
        let key = Arc::clone(self);
        self.looked_elsewhere(move |database| key.state(database)).await
    }

    fn state(&self, database: &Database) -> Result<KeyState, Trouble> {
        let failed = || Trouble::sql("read", &self.store.path);
        // Both from one moment: it ends with the value.
        let moment = database.connection.unchecked_transaction().map_err(failed())?;
        let record = queries::record(&moment, &self.name).map_err(failed())?;
        let holder = record.as_ref().map_or(Ok(Holder::Free), |record| holder(database, record))?;
        let queue = queue(database, &self.name, &self.store.path)?;
        let last_token = record.map_or(FencingToken(0), |record| record.last_token);
        Ok(KeyState { key: self.name.clone(), holder, queue, last_token })
    }

    /// The token of the lease whose secret has this hash, if it holds the key now, nobody broke it, and its holder lives.
    pub(crate) async fn held_under(self: &Arc<Self>, secret: SecretHash) -> Result<Option<FencingToken>, Trouble> {
        let key = Arc::clone(self);
        self.looked(move |database| {
            let record = queries::record(&database.connection, &key.name);
            let record = record.map_err(Trouble::sql("read", &key.store.path))?;
            let ours = record.filter(|record| record.secret == secret && !record.broken && !record.owner.has_died());
            let Some(record) = ours else { return Ok(None) };
            let life = database.opened.batons.life(Kind::Lease, record.baton)?;
            Ok(matches!(life, Life::Alive(..)).then_some(record.last_token))
        })
        .await
    }

    /// Whether the lease with this token is this owner's, and held. Blocks.
    pub(crate) fn is_held_by(&self, owner: &Owner, token: FencingToken) -> Result<bool, Trouble> {
        self.store.read_patiently(Moment::now() + busy::BUSY_MAX, |database| {
            let record = queries::record(&database.connection, &self.name);
            let record = record.map_err(Trouble::sql("read", &self.store.path))?;
            let Some(record) = record.filter(|record| record.last_token == token && record.owner == *owner) else {
                return Ok(false);
            };
            Ok(matches!(holder(database, &record)?, Holder::Lease { .. }))
        })
    }

    /// A look: here and now where it need not wait.
    pub(crate) async fn looked<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl Fn(&Database) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        match self.store.read(&look)? {
            Some(found) => Ok(found),
            None => self.looked_elsewhere(look).await,
        }
    }

    async fn looked_elsewhere<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl Fn(&Database) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let store = Arc::clone(&self.store);
        let until = Moment::now() + busy::BUSY_MAX;
        let background = background::handle().map_err(|_| Trouble::Background)?;
        let looking = background.spawn_blocking(move || store.read_patiently(until, look));
        looking.await.map_err(|_| Trouble::Background)?
    }
}

/// Who holds the key by its row: nobody, once the baton is let go.
pub(crate) fn holder(database: &Database, record: &Record) -> Result<Holder, Trouble> {
    let owner = record.owner.clone();
    Ok(match database.opened.batons.life(Kind::Lease, record.baton)? {
        Life::Over { .. } => Holder::Free,
        Life::Alive(..) if owner.has_died() => Holder::Ending { owner },
        Life::Alive(..) => Holder::Lease {
            owner,
            token: record.last_token,
            since_us: record.since_us,
            expires_us: None,
            broken: record.broken,
        },
    })
}

/// Live tickets in the order of their grants.
fn queue(database: &Database, key: &LockKey, path: &std::path::Path) -> Result<Vec<Waiter>, Trouble> {
    let failed = || Trouble::sql("read", path);
    let line = queries::line(&database.connection, key).map_err(failed())?;
    let mut lives: HashMap<u64, bool> = HashMap::new();
    let mut queue = Vec::with_capacity(line.len());
    for index in turn::order(&line) {
        let entry = line[index];
        let lives = match lives.entry(entry.process) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(new) => {
                *new.insert(matches!(database.opened.batons.life(Kind::Line, entry.process)?, Life::Alive(..)))
            }
        };
        if lives {
            let owner = queries::owner(&database.connection, key, entry.ticket).map_err(failed())?;
            let crate::entry::Entry { ticket, priority, since_us, passed, .. } = entry;
            queue.push(Waiter { owner, ticket, priority, since_us, passed });
        }
    }
    Ok(queue)
}
