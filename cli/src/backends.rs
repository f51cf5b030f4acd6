//! The one list of all backends.

use std::sync::Arc;

use lock_core::{DistributedLock, Registry, StoreConfig};

use crate::{error::CommandError, settings::Settings};

/// All backends that are built in, each behind its cargo feature.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register_thread();
    registry
}

/// Opens the configured backend.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn DistributedLock>, CommandError> {
    let config = StoreConfig {
        sweep: settings.lock.sweep,
        queue_max: settings.lock.queue_max,
        allow_network_fs: settings.lock.allow_network_fs,
        ..StoreConfig::new(&settings.lock.backend, &settings.root.path)
    };
    Ok(registry().open(config).await?)
}
