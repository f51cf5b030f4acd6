//! The `redis` section: how to log in, what is not in the URL.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::raw::RawRedis;
use crate::error::CommandError;
#[cfg(feature = "redis")]
use crate::{
    backends::redis::{PREFIX_DEFAULT, Password, RedisConfig},
    env_vars,
};

/// How to reach the Redis server, where that backend is built in. The password is not in it: it is read when the store is opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RedisSettings {
    /// The ACL user.
    user: Option<String>,
    password_file: Option<PathBuf>,
    /// The ACL user at the Sentinels.
    sentinel_user: Option<String>,
    sentinel_password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    prefix: String,
    timeout: std::time::Duration,
    wait_replicas: u32,
}

impl RedisSettings {
    /// Files are meant below the root.
    pub(super) fn new(raw: RawRedis, root: &Path) -> Result<Self, CommandError> {
        if raw.cert_file.is_some() != raw.key_file.is_some() {
            return Err(CommandError::config(
                "`redis.cert_file` and `redis.key_file` go together: set both, or neither",
            ));
        }
        let below = |file: Option<PathBuf>| file.map(|file| root.join(file));
        Ok(Self {
            user: raw.user,
            password_file: below(raw.password_file),
            sentinel_user: raw.sentinel_user,
            sentinel_password_file: below(raw.sentinel_password_file),
            ca_file: below(raw.ca_file),
            cert_file: below(raw.cert_file),
            key_file: below(raw.key_file),
            prefix: raw.prefix,
            timeout: raw.timeout.0,
            wait_replicas: raw.wait_replicas,
        })
    }

    /// The files of passwords that are configured.
    #[cfg(feature = "redis")]
    pub(crate) fn password_files(&self) -> impl Iterator<Item = &Path> {
        [&self.password_file, &self.sentinel_password_file].into_iter().filter_map(Option::as_deref)
    }

    /// Adds what is configured to what a URL says; the URL wins where it says something.
    #[cfg(feature = "redis")]
    pub(crate) fn amend(&self, mut config: RedisConfig) -> Result<RedisConfig, lock_core::Error> {
        config.user = config.user.or_else(|| self.user.clone());
        if config.password.is_none() {
            config.password = password("redis.password_file", self.password_file.as_deref(), env_vars::REDIS_PASSWORD)?;
        }
        config.sentinel_user.clone_from(&self.sentinel_user);
        let file = self.sentinel_password_file.as_deref();
        config.sentinel_password = password("redis.sentinel_password_file", file, env_vars::REDIS_SENTINEL_PASSWORD)?;
        if config.prefix == PREFIX_DEFAULT {
            config.prefix.clone_from(&self.prefix);
        }
        config.timeout = self.timeout;
        config.wait_replicas = self.wait_replicas;
        config.tls.ca = self.ca_file.clone();
        config.tls.client = self.cert_file.clone().zip(self.key_file.clone());
        config.check()?;
        Ok(config)
    }
}

/// The first line of the file that this setting names, else the variable.
#[cfg(feature = "redis")]
fn password(setting: &str, file: Option<&Path>, variable: &str) -> Result<Option<Password>, lock_core::Error> {
    let Some(file) = file else { return Ok(env_vars::text(variable).map(Password::new)) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| lock_core::Error::Config(format!("cannot read `{setting}` {}: {error}", file.display())))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(Password::new(line))),
        None => Err(lock_core::Error::Config(format!("`{setting}` {} is empty", file.display()))),
    }
}
