//! The one list of all backends.

use std::sync::Arc;

use lock_core::{DistributedLock, Registry, StoreConfig};

use crate::{error::CommandError, settings::Settings, ui::Ui};

/// All backends that are built in, each behind its cargo feature.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register_thread();
    lock_file::FileLock::register(&mut registry);
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

/// Refuses a backend that is not built in, without opening it.
pub(crate) fn check_built(settings: &Settings) -> Result<(), CommandError> {
    let wanted = StoreConfig::new(&settings.lock.backend, &settings.root.path);
    let registry = registry();
    let built: Vec<_> = registry.schemes().collect();
    match built.contains(&wanted.scheme()) {
        true => Ok(()),
        false => {
            let message = format!("unknown backend `{}`: built are {}", wanted.scheme(), built.join(", "));
            Err(CommandError::config(message))
        }
    }
}

/// Says so when the lock excludes nobody outside this process: it is never a fallback, but it can be a mistake.
pub(crate) fn warn_if_weak(lock: &Arc<dyn DistributedLock>, ui: &mut Ui) {
    if !lock.capabilities().cross_process {
        ui.warn(&format!("the backend `{lock}` holds off nobody outside this process"));
    }
}
