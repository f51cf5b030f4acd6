//! The one list of all backends.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use deliver::SurfaceKind;
use lock_core::{DistributedLock, LockKey, Registry, StoreConfig};
/// What a Redis server is told and shows beyond the contract.
#[cfg(feature = "redis")]
pub(crate) use lock_redis as redis;

#[cfg(feature = "redis")]
use crate::env_vars;
use crate::{
    error::CommandError,
    gates::GuardedDesktop,
    settings::{RedisSettings, Settings, without_password},
    ui::Talk,
};

/// All backends that are built in, each behind its cargo feature.
#[cfg_attr(not(feature = "redis"), allow(unused_variables, reason = "for that backend alone"))]
pub(crate) fn registry(redis: &RedisSettings) -> Registry {
    let mut registry = Registry::new();
    registry.register_thread();
    #[cfg(feature = "file")]
    lock_file::FileLock::register(&mut registry);
    #[cfg(feature = "sqlite")]
    lock_sqlite::SqliteLock::register(&mut registry);
    #[cfg(feature = "redis")]
    {
        let redis = redis.clone();
        lock_redis::RedisLock::register(&mut registry, move |config| redis.amend(config));
    }
    registry
}

/// What the configured backend is opened with.
pub(crate) fn store_config(settings: &Settings) -> StoreConfig {
    let mut config = StoreConfig {
        sweep: settings.lock.sweep,
        queue_max: settings.lock.queue_max,
        allow_network_fs: settings.lock.allow_network_fs,
        ..StoreConfig::new(&settings.lock.backend, &settings.root.path)
    };
    // A path is meant below the root: below the working directory of the moment, it would be another lock each time.
    if let scheme @ ("file" | "sqlite") = config.scheme()
        && !config.rest().is_empty()
    {
        config.url = format!("{scheme}:{}", settings.root.path.join(config.rest()).display());
    }
    config
}

/// Opens the configured backend.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn DistributedLock>, CommandError> {
    check_built(settings)?;
    Ok(registry(&settings.lock.redis).open(store_config(settings)).await?)
}

/// What else can be done about an error of a store, where the backend knows more than the error says.
#[cfg_attr(not(feature = "redis"), allow(unused_variables, reason = "for that backend alone"))]
pub(crate) fn advice(error: &lock_core::Error) -> Option<&'static str> {
    #[cfg(feature = "redis")]
    if env_vars::is_set(env_vars::HELD) && lock_redis::wants_password(error) {
        return Some("`run` passes no password on to its command by the environment: set `redis.password_file`");
    }
    None
}

/// Refuses a backend that is not built in, without opening it.
pub(crate) fn check_built(settings: &Settings) -> Result<(), CommandError> {
    let wanted = store_config(settings);
    let registry = registry(&settings.lock.redis);
    let built: Vec<_> = registry.schemes().collect();
    if built.contains(&wanted.scheme()) {
        return Ok(());
    }
    let built = built.join(", ");
    let error = match wanted.scheme() {
        "sqlite" | "redis" | "rediss" | "redis+unix" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
        | "rediss+cluster" | "redis+quorum" | "rediss+quorum" => {
            CommandError::not_built_as(format!("the backend `{}` is not built yet; built are {built}", wanted.scheme()))
        }
        scheme => {
            CommandError::config(format!("the backend `{}` is unknown; built are {built}", without_password(scheme)))
        }
    };
    Err(error.hint("choose one with --backend or `lock.backend`"))
}

/// Says so when the lock excludes nobody outside this process: it is never a fallback, but it can be a mistake.
pub(crate) fn warn_if_weak(lock: &Arc<dyn DistributedLock>, talk: Talk) {
    if !lock.capabilities().cross_process {
        talk.warn(&format!("the backend `{lock}` holds off nobody outside this process"));
    }
}

/// The keys that `status` shows when none is named: those the store knows, and the desktop's in any case.
pub(crate) async fn known_keys(settings: &Settings) -> Result<Vec<LockKey>, CommandError> {
    let mut keys: Vec<LockKey> = GuardedDesktop::of(settings, SurfaceKind::Desktop).key_if_any().into_iter().collect();
    #[cfg(feature = "file")]
    if let Some(config) = file_config(settings) {
        keys.extend(lock_file::known_keys(&config)?);
    }
    #[cfg(feature = "sqlite")]
    if let Some(config) = sqlite_config(settings) {
        keys.extend(lock_sqlite::known_keys(&config)?);
    }
    #[cfg(feature = "redis")]
    if let Some(config) = redis_config(settings)? {
        keys.extend(match config.address {
            lock_redis::Address::Quorum { .. } => lock_redis::QuorumLock::open(config).await?.known_keys().await?,
            _ => lock_redis::RedisLock::open(config).await?.known_keys().await?,
        });
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// Where the root keeps the gates that old senders lock.
pub(crate) fn files_of_root(root: &Path) -> PathBuf {
    root.join("runtime/locks")
}

/// Whether the store is those very files, by whatever path.
#[cfg_attr(not(feature = "file"), allow(unused_variables, reason = "there are none"))]
pub(crate) fn is_in_files_of_root(store: &StoreConfig) -> bool {
    #[cfg(feature = "file")]
    if store.scheme() == "file" {
        let (ours, theirs) = (lock_file::FileConfig::from_store(store).dir, files_of_root(&store.root));
        let same = |one: &Path, other: &Path| Some(one.canonicalize().ok()? == other.canonicalize().ok()?);
        return ours == theirs || same(&ours, &theirs) == Some(true);
    }
    false
}

/// Opens locks as files in a folder: what guards a host, whatever the configured store is.
#[cfg(feature = "file")]
pub(crate) fn open_files(store: &StoreConfig, folder: PathBuf) -> Result<Arc<dyn DistributedLock>, CommandError> {
    let mut config = lock_file::FileConfig::from_store(store);
    config.dir = folder;
    Ok(Arc::new(lock_file::FileLock::open(config)?))
}

/// Without them no desktop can be guarded.
#[cfg(not(feature = "file"))]
pub(crate) fn open_files(_: &StoreConfig, _: PathBuf) -> Result<Arc<dyn DistributedLock>, CommandError> {
    Err(CommandError::not_built_as("this build has no file locks (feature `file`), which guard every desktop".into()))
}

/// The file backend's configuration, where it is the one in use.
#[cfg(feature = "file")]
pub(crate) fn file_config(settings: &Settings) -> Option<lock_file::FileConfig> {
    let config = store_config(settings);
    (config.scheme() == "file").then(|| lock_file::FileConfig::from_store(&config))
}

/// Where the configured store keeps files, if it does.
#[cfg(unix)]
#[cfg_attr(not(any(feature = "file", feature = "sqlite")), allow(unused_variables, reason = "no other keeps any"))]
pub(crate) fn files(settings: &Settings) -> Option<PathBuf> {
    let files = None;
    #[cfg(feature = "file")]
    let files = files.or_else(|| file_config(settings).map(|config| config.dir));
    #[cfg(feature = "sqlite")]
    let files = files.or_else(|| sqlite_config(settings).map(|config| config.path));
    files
}

/// What `doctor` is told of a store beyond that it could be opened.
pub(crate) struct Condition {
    /// Of what.
    pub(crate) what: &'static str,
    pub(crate) seen: String,
    /// What to do, where something is not as it should be.
    pub(crate) advice: Option<String>,
}

/// The condition of the configured store, where its backend looks at it itself.
#[cfg_attr(not(feature = "sqlite"), allow(unused_variables, reason = "no other backend looks at its store itself"))]
pub(crate) fn condition(settings: &Settings) -> Option<Result<Condition, CommandError>> {
    #[cfg(feature = "sqlite")]
    if let Some(config) = sqlite_config(settings) {
        return Some(lock_sqlite::health(&config).map(database).map_err(CommandError::from));
    }
    None
}

/// Whether a database is for its owner and group alone; that it can be written was tried.
#[cfg(feature = "sqlite")]
fn database(health: lock_sqlite::Health) -> Condition {
    let lock_sqlite::Health { sqlite, schema, journal, log_bytes, open_to_others, .. } = health;
    let mut seen = format!("SQLite {sqlite}, schema {schema}, journal {journal} of {log_bytes} bytes");
    let advice = open_to_others.first().map(|(path, mode)| {
        seen.push_str(&format!("; {} has mode {mode:04o}", path.display()));
        format!("it is for its owner or a group: chmod o= {}", path.display())
    });
    Condition { what: "database", seen, advice }
}

/// The SQLite backend's configuration, where it is the one in use.
#[cfg(feature = "sqlite")]
fn sqlite_config(settings: &Settings) -> Option<lock_sqlite::SqliteConfig> {
    let config = store_config(settings);
    (config.scheme() == "sqlite").then(|| lock_sqlite::SqliteConfig::from_store(&config))
}

/// The Redis backend's configuration, where it is the one in use.
#[cfg(feature = "redis")]
pub(crate) fn redis_config(settings: &Settings) -> Result<Option<lock_redis::RedisConfig>, CommandError> {
    let store = store_config(settings);
    if !lock_redis::SCHEMES.contains(&store.scheme()) {
        return Ok(None);
    }
    let config = lock_redis::RedisConfig::from_store(&store).and_then(|config| settings.lock.redis.amend(config))?;
    Ok(Some(config))
}
