//! The stores that are measured, by their names.

use std::{path::Path, sync::Arc};

use lock_core::DistributedLock;
use lock_file::{FileConfig, FileLock};
use lock_sqlite::{SqliteConfig, SqliteLock};

pub(crate) const FILE: &str = "file";
pub(crate) const SQLITE: &str = "sqlite";

/// Opens a store of its own in the folder.
pub(crate) fn open(store: &str, folder: &Path) -> Arc<dyn DistributedLock> {
    match store {
        FILE => Arc::new(FileLock::open(FileConfig::new(folder.join("locks"))).expect("opened")),
        SQLITE => Arc::new(SqliteLock::open(SqliteConfig::new(folder.join("locks.sqlite"))).expect("opened")),
        other => panic!("no store `{other}`"),
    }
}
