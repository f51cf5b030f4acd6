//! The keys that a database knows.

use lock_core::{Error, LockKey, Moment, Operation};

use crate::{busy, config::SqliteConfig, error::Trouble, queries, store::Store};

/// The keys that were ever locked in the database, in their order, without inner gates.
///
/// # Errors
/// [`Error::Store`] when the database cannot be opened or read.
pub fn known_keys(config: &SqliteConfig) -> Result<Vec<LockKey>, Error> {
    let name = format!("sqlite:{}", config.path.display());
    let failed = |trouble: Trouble| trouble.of(Operation::Inspect, name.clone(), name.clone());
    let store = Store::open(config.clone()).map_err(failed)?;
    let keys = store.read_patiently(Moment::now() + busy::BUSY_MAX, |database| {
        queries::keys(&database.connection).map_err(Trouble::sql("read", &store.path))
    });
    // The mark of an inner gate is no text of a key.
    let mut keys: Vec<LockKey> = keys.map_err(failed)?.into_iter().filter_map(|key| LockKey::new(key).ok()).collect();
    keys.sort();
    Ok(keys)
}
