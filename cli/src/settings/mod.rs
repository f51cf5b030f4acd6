//! Settings: resolved and validated, each value with its origin.

use std::{path::PathBuf, time::Duration};

use lock_core::{HeldLeases, Sweep};

use crate::{
    args::{Command, GlobalArgs},
    env_vars,
    error::CommandError,
};

/// Everything a command works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where talkstick.toml and the locks are.
    pub(crate) root: Root,
    /// The lock store.
    pub(crate) lock: LockSettings,
    /// How `run` waits and ends its child.
    pub(crate) run: RunSettings,
    /// Leases that this process may work under.
    pub(crate) held: HeldLeases,
}

/// The root, and how it was found.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// `--root`, the found file, or the user's state folder.
    pub(crate) origin: String,
}

/// The lock store.
#[derive(Debug, Clone)]
pub(crate) struct LockSettings {
    /// A backend's name or URL.
    pub(crate) backend: String,
    /// How long a lease may go without renewal, where leases expire.
    pub(crate) ttl: Duration,
    /// Use a network file system although flock does not exclude between its clients.
    pub(crate) allow_network_fs: bool,
    /// Longest line of one key.
    pub(crate) queue_max: usize,
    /// How often a waiter looks for itself.
    pub(crate) sweep: Sweep,
}

/// How `run` waits and ends its child.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// How long to wait for the lock.
    pub(crate) timeout: Duration,
    /// How long the child may take to end after TERM before it is killed.
    pub(crate) grace: Duration,
}

impl Settings {
    /// Resolves the settings: defaults, system, user, root, environment, flags.
    pub(crate) fn resolve(global: &GlobalArgs, _command: &Command) -> Result<Self, CommandError> {
        let path = global.root.clone().ok_or_else(|| CommandError::config("no root"))?;
        Ok(Self {
            root: Root { path, origin: "--root".into() },
            lock: LockSettings {
                backend: global.backend.clone().unwrap_or_else(|| "file".into()),
                ttl: lock_core::TTL_DEFAULT,
                allow_network_fs: false,
                queue_max: lock_core::queue::QUEUE_MAX,
                sweep: Sweep::default(),
            },
            run: RunSettings { timeout: lock_core::TIMEOUT_DEFAULT, grace: Duration::from_secs(2) },
            held: HeldLeases::parse(&env_vars::text(env_vars::HELD).unwrap_or_default()),
        })
    }
}
