//! Keys and requests as tests of the parts need them: each key stands for a process of its own.

use std::{path::Path, sync::Arc};

use lock_core::LockKey;
pub(crate) use lock_core::conformance::request;

use crate::{config::FileConfig, key::Key};

pub(crate) fn key(folder: &Path, process: u64) -> Arc<Key> {
    Key::new(LockKey::new("k").unwrap(), Arc::new(FileConfig::new(folder)), process)
}
