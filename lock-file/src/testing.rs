//! Keys and requests as tests of the parts need them: each key stands for a process of its own.

use std::{path::Path, sync::Arc};

pub(crate) use lock_core::conformance::request;
use lock_core::{Entered, LockKey, Ticket};

use crate::{config::FileConfig, key::Key};

pub(crate) fn key(folder: &Path, process: u64) -> Arc<Key> {
    Key::new(LockKey::new("k").unwrap(), Arc::new(FileConfig::new(folder)), process)
}

pub(crate) fn holds(key: &Key, id: u128) {
    assert!(matches!(key.section().unwrap().enter(&request(id)).unwrap(), Entered::Granted(_)), "it is held");
}

/// Without a thread of its own: the test does what it would.
pub(crate) fn waits(key: &Key, id: u128) -> Ticket {
    key.table().starting = true;
    match key.section().unwrap().enter(&request(id)).unwrap() {
        Entered::Queued(ticket, _) => ticket,
        Entered::Granted(_) => panic!("it is free"),
    }
}
