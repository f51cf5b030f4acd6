//! The SQLite backend keeps the contract.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{path::PathBuf, sync::Arc};

use lock_core::{DistributedLock, Registry, StoreConfig, conformance::Harness};
use lock_sqlite::SqliteLock;
use tempfile::TempDir;

struct Rows(TempDir);

impl Rows {
    fn folder(&self) -> PathBuf {
        self.0.path().join("locks")
    }

    fn database(&self) -> PathBuf {
        self.folder().join("locks.sqlite")
    }
}

impl Harness for Rows {
    /// Leases of rows do not expire.
    const SKIPPED: usize = 2;

    fn fresh() -> Self {
        let store = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(store.folder()).unwrap();
        store
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.database().to_str().unwrap().to_owned())
    }

    /// As the command line opens it: through the registry.
    fn open(address: &str) -> Arc<dyn DistributedLock> {
        let address = format!("sqlite:{address}");
        let mut registry = Registry::new();
        SqliteLock::register(&mut registry);
        let opening = async move { registry.open(StoreConfig::new(address, "/")).await };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(opening).unwrap()
        })
        .join()
        .unwrap()
    }

    fn lose_data(&self) -> bool {
        std::fs::remove_dir_all(self.folder()).unwrap();
        true
    }

    fn cut(&self) -> bool {
        // A folder where the database must be: nothing can be read any more.
        std::fs::remove_dir_all(self.folder()).unwrap();
        std::fs::create_dir_all(self.database()).unwrap();
        true
    }
}

lock_core::conformance!(Rows);
