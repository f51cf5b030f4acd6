//! Settings of the SQLite backend.

use std::path::PathBuf;

use lock_core::{StoreConfig, Sweep, queue};

use crate::layout;

/// Where and how to lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The database. It and its folder are made, for this user alone, where they are missing.
    pub path: PathBuf,
    /// Longest line of one key.
    pub queue_max: usize,
    /// How often a waiter looks for itself, should a wake-up have been lost.
    pub sweep: Sweep,
}

impl SqliteConfig {
    /// The defaults, for this database.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), queue_max: queue::QUEUE_MAX, sweep: Sweep::default() }
    }

    /// What a registry's configuration says. Without a path in its URL the database is `<root>/runtime/locks.sqlite`.
    #[must_use]
    pub fn from_store(store: &StoreConfig) -> Self {
        let path = if store.rest().is_empty() { store.root.join(layout::DEFAULT) } else { store.rest().into() };
        Self { queue_max: store.queue_max, sweep: store.sweep, ..Self::new(path) }
    }
}
