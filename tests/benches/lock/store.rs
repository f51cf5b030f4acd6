//! The stores that are measured: two by their names, those on servers by their URLs.

use std::{path::Path, sync::Arc};

use lock_core::{DistributedLock, Registry, StoreConfig, background};
use lock_file::FileLock;
use lock_redis::RedisLock;
use lock_sqlite::SqliteLock;

pub(crate) const FILE: &str = "file";
pub(crate) const SQLITE: &str = "sqlite";

/// Opens a store of its own in the folder, or the one that a URL names.
pub(crate) fn open(store: &str, folder: &Path) -> Arc<dyn DistributedLock> {
    let url = match store {
        FILE => format!("file:{}", folder.join("locks").display()),
        SQLITE => format!("sqlite:{}", folder.join("locks.sqlite").display()),
        url => url.to_owned(),
    };
    let mut registry = Registry::new();
    FileLock::register(&mut registry);
    SqliteLock::register(&mut registry);
    RedisLock::register(&mut registry, Ok);
    let runtime = background::handle().expect("a runtime");
    runtime.block_on(registry.open(StoreConfig::new(&url, folder))).expect("opened")
}
