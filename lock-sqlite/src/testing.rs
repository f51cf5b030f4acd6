//! Keys as tests of the parts need them: each stands for a process of its own.

use std::{path::Path, sync::Arc};

use lock_core::{Entered, LockKey, conformance::request};

use crate::{config::SqliteConfig, key::Key, store::Store};

/// One key of one database, as so many processes have it.
pub(crate) fn keys<const N: usize>(folder: &Path) -> [Arc<Key>; N] {
    let store = Arc::new(Store::open(SqliteConfig::new(folder.join("locks.sqlite"))).unwrap());
    [(); N].map(|()| Key::new(LockKey::new("k").unwrap(), Arc::clone(&store)))
}

pub(crate) fn holds(key: &Key, id: u128) {
    assert!(matches!(enter(key, id), Entered::Granted(_)), "it is held");
}

pub(crate) fn waits(key: &Key, id: u128) {
    assert!(matches!(enter(key, id), Entered::Queued(..)), "it is free");
}

fn enter(key: &Key, id: u128) -> Entered {
    let request = request(id);
    key.change(|change| change.enter(&request)).unwrap()
}
