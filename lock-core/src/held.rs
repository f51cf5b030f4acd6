//! Re-entry by inheritance: which leases the parent process lets us work under.

use crate::{LockKey, Secret};

/// The environment variable that carries the list to a child of `run`.
pub const HELD_VARIABLE: &str = "TALKSTICK_HELD";

/// Leases that this process may work under: store, key and the lease's secret, innermost last.
///
/// Tokens are public and prove nothing; only who was told the secret can inherit. The text form holds one entry a line,
/// its parts separated by tabs, keys as file stems.
#[derive(Debug, Clone, Default)]
pub struct HeldLeases {
    leases: Vec<HeldLease>,
    malformed: usize,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct HeldLease {
    /// The store's name, as its `Display` gives it.
    pub store: String,
    /// [`LockKey::file_stem`] of the key.
    pub key_stem: String,
    /// The lease's secret.
    pub secret: Secret,
}

impl HeldLeases {
    /// Reads [`HELD_VARIABLE`]'s text. Lines that are not well formed give no right, so they are left out and counted.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut held = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match HeldLease::parse(line) {
                Some(lease) => held.leases.push(lease),
                None => held.malformed += 1,
            }
        }
        held
    }

    /// How many lines of the text were not well formed: somebody is to be told that they give no right.
    #[must_use]
    pub const fn malformed(&self) -> usize {
        self.malformed
    }

    /// The text for [`HELD_VARIABLE`]. It holds secrets: for a child's environment alone.
    #[must_use]
    pub fn reveal(&self) -> String {
        let lines = self.leases.iter().map(|h| format!("{}\t{}\t{}", h.store, h.key_stem, h.secret.reveal()));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The list with one more lease, replacing an entry for the same store and key.
    #[must_use]
    pub fn with(mut self, lease: HeldLease) -> Self {
        self.leases.retain(|h| h.store != lease.store || h.key_stem != lease.key_stem);
        self.leases.push(lease);
        self
    }

    /// The entry for `key` of `store`.
    #[must_use]
    pub fn find(&self, store: &str, key: &LockKey) -> Option<&HeldLease> {
        let stem = key.file_stem();
        self.leases.iter().find(|h| h.store == store && h.key_stem == stem)
    }
}

impl HeldLease {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split('\t');
        let (store, key_stem, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let secret = Secret::parse(secret)?;
        parts.next().is_none().then(|| Self { store: store.to_owned(), key_stem: key_stem.to_owned(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_reveals_and_leaves_out_what_is_malformed() {
        let key = LockKey::new("Desktop A").unwrap();
        let lease =
            HeldLease { store: "file:/x y".into(), key_stem: key.file_stem(), secret: Secret::random().unwrap() };
        let text = format!("garbage\n\n{}\na\tb\tnothex", HeldLeases::default().with(lease.clone()).reveal());
        let read = HeldLeases::parse(&text);
        assert_eq!((read.leases.len(), read.malformed()), (1, 2));
        assert!(read.find("file:/x y", &key).unwrap().secret == lease.secret);
        assert!(read.find("file:/x", &key).is_none());
    }

    #[test]
    fn secrets_are_not_printed_by_debug() {
        let secret = Secret::random().unwrap();
        let leases =
            HeldLeases::default().with(HeldLease { store: "s".into(), key_stem: "k".into(), secret: secret.clone() });
        assert!(!format!("{leases:?}").contains(&secret.reveal()));
    }
}
