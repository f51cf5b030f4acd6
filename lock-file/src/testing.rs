//! Keys and requests as tests of the parts need them: each key stands for a process of its own.

use std::{path::Path, sync::Arc, time::Duration};

use lock_core::{FencingToken, LockKey, Owner, Priority, Request, RequestId, Secret};

use crate::{config::FileConfig, key::Key};

pub(crate) fn key(folder: &Path, process: u64) -> Arc<Key> {
    Key::new(LockKey::new("k").unwrap(), Arc::new(FileConfig::new(folder)), process)
}

pub(crate) fn request(id: u128) -> Request {
    Request {
        id: RequestId(id),
        owner: Owner::current(""),
        priority: Priority::Normal,
        ttl: Duration::ZERO,
        floor: FencingToken(0),
        secret_hash: Secret::random().unwrap().hash(),
        number: None,
    }
}
