//! The registry: from a backend's name or URL to an open store.

use std::{collections::BTreeMap, fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use crate::{DistributedLock, Error, Sweep, ThreadLock, queue::QUEUE_MAX};

/// What a backend is opened with.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// A backend's bare name (`file`) or a URL (`file:/var/lib/swarm`).
    pub url: String,
    /// The root: where a backend that keeps files puts them unless its URL says otherwise.
    pub root: PathBuf,
    /// How often a waiter looks for itself.
    pub sweep: Sweep,
    /// Longest line of one key.
    pub queue_max: usize,
    /// Use a network file system although flock does not exclude between its clients.
    pub allow_network_fs: bool,
}

impl StoreConfig {
    /// The defaults for `url` under `root`.
    #[must_use]
    pub fn new(url: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        let (url, root) = (url.into(), root.into());
        Self { url, root, sweep: Sweep::default(), queue_max: QUEUE_MAX, allow_network_fs: false }
    }

    /// The part of the URL before the first colon: what the backend is registered under.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap_or_default()
    }

    /// The part of the URL behind the first colon; empty for a bare name.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.url.split_once(':').map_or("", |(_, rest)| rest)
    }
}

/// What a factory returns.
pub type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn DistributedLock>, Error>> + Send>>;

type Factory = Box<dyn Fn(StoreConfig) -> Opening + Send + Sync>;

/// Backends by scheme. Filled by explicit calls; nothing registers itself.
#[derive(Default)]
pub struct Registry {
    factories: BTreeMap<&'static str, Factory>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a backend under its scheme, replacing one of the same scheme.
    pub fn register(
        &mut self,
        scheme: &'static str,
        factory: impl Fn(StoreConfig) -> Opening + Send + Sync + 'static,
    ) -> &mut Self {
        self.factories.insert(scheme, Box::new(factory));
        self
    }

    /// Adds the in-process backend under `thread`. It must be asked for by name.
    pub fn register_thread(&mut self) -> &mut Self {
        self.register("thread", |_| Box::pin(async { Ok(Arc::new(ThreadLock::new()) as Arc<dyn DistributedLock>) }))
    }

    /// The schemes that can be opened.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.factories.keys().copied()
    }

    /// Opens a store.
    ///
    /// # Errors
    /// [`Error::Config`] for a scheme that is not registered, with those that are; else the backend's.
    pub async fn open(&self, config: StoreConfig) -> Result<Arc<dyn DistributedLock>, Error> {
        let Some(factory) = self.factories.get(config.scheme()) else {
            let built = self.schemes().collect::<Vec<_>>().join(", ");
            let message = format!("unknown backend `{}`: built are {built}", config.scheme());
            return Err(Error::Config(message));
        };
        factory(config).await
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_lists_the_known_ones() {
        let mut registry = Registry::new();
        registry.register_thread();
        let opening = registry.open(StoreConfig::new("redis://secret@host", "/"));
        let error = crate::finish::at_once(opening).unwrap().unwrap_err().to_string();
        assert_eq!(error, "unknown backend `redis`: built are thread");
    }
}
