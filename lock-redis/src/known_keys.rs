//! The locks that a server knows.

use std::collections::BTreeSet;

use lock_core::{Error, LockKey, Operation};

use crate::{
    backend::{Client, RedisLock},
    error::Trouble,
    keys,
    reply::{list, text, texts},
};

/// How many keys of the server one step looks at: its work, and not ours, is what a large store costs.
const STEP: u32 = 1000;

impl RedisLock {
    /// The keys of all locks that were ever used under the prefix, in order. Looks through the whole database in steps, on
    /// a Cluster through that of each master.
    ///
    /// # Errors
    /// The server's.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn known_keys(&self) -> Result<Vec<LockKey>, Error> {
        let failed = |trouble: Trouble| trouble.of(Operation::Inspect, self.to_string(), self.to_string());
        self.client.known_keys().await.map_err(failed)
    }
}

impl Client {
    /// See [`RedisLock::known_keys`].
    pub(crate) async fn known_keys(&self) -> Result<Vec<LockKey>, Trouble> {
        let link = &self.link;
        let mut found = BTreeSet::new();
        for master in link.masters().await? {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(keys::pattern(&link.config)).arg("COUNT").arg(STEP);
                let step = link.ask(&master, scan, "SCAN").await?;
                let parts = list(&step).and_then(|parts| <&[_; 2]>::try_from(parts).ok());
                let read = parts.and_then(|[next, names]| Some((text(next)?.to_owned(), texts(names)?)));
                let (next, names) = read.ok_or_else(|| self.strange("SCAN"))?;
                found.extend(names.into_iter().filter_map(|name| keys::lock_of(&link.config, name)));
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(found.into_iter().collect())
    }
}
