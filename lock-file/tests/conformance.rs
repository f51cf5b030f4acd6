//! The file backend keeps the contract.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{path::PathBuf, sync::Arc};

use lock_core::{DistributedLock, conformance::Harness};
use lock_file::{FileConfig, FileLock};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn dir(&self) -> PathBuf {
        self.0.path().join("locks")
    }
}

impl Harness for Files {
    /// Leases of files do not expire.
    const SKIPPED: usize = 2;

    fn fresh() -> Self {
        let store = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(store.dir()).unwrap();
        store
    }

    fn client(&self) -> Arc<dyn DistributedLock> {
        Self::open(&self.address().unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.dir().to_str().unwrap().to_owned())
    }

    fn open(address: &str) -> Arc<dyn DistributedLock> {
        Arc::new(FileLock::open(FileConfig::new(address)).unwrap())
    }

    fn lose_data(&self) -> bool {
        std::fs::remove_dir_all(self.dir()).unwrap();
        true
    }

    fn cut(&self) -> bool {
        // A file where the folder must be: nothing can be read any more.
        std::fs::remove_dir_all(self.dir()).unwrap();
        std::fs::write(self.dir(), "").unwrap();
        true
    }
}

lock_core::conformance!(Files);
