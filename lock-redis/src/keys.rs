//! The names of what is kept on the server: all keys of one lock under one hash tag, so that they share a Cluster's slot.

use lock_core::{LockKey, RequestId};

use crate::config::RedisConfig;

/// The parts of one lock, in the order in which the scripts take them.
const PARTS: [&str; 7] = ["lock", "line", "waiters", "heard", "passed", "aged", "gone"];

/// What a server of a quorum notes of itself, whatever the lock. The tag is of no use there, but it is no lock's.
const SERVER: &str = "{quorum}:server";

/// The keys of one lock.
#[derive(Debug, Clone)]
pub(crate) struct Keys(pub(crate) Vec<String>);

impl Keys {
    /// `<prefix>{<stem>}:<part>`. The stem has no brace: whatever is in a key, its tag is its own.
    pub(crate) fn of(config: &RedisConfig, key: &LockKey) -> Self {
        let tag = format!("{}{{{}}}:", config.prefix, key.file_stem());
        Self(PARTS.iter().map(|part| format!("{tag}{part}")).collect())
    }

    /// Behind them, what the server notes of itself.
    pub(crate) fn and_of_server(mut self, config: &RedisConfig) -> Self {
        self.0.push(format!("{}{SERVER}", config.prefix));
        self
    }
}

/// Matches the first key of every lock.
pub(crate) fn pattern(config: &RedisConfig) -> String {
    format!("{}{{*}}:{}", as_pattern(&config.prefix), PARTS[0])
}

/// A text that stands for itself where a server takes a pattern.
pub(crate) fn as_pattern(text: &str) -> String {
    let mut pattern = String::new();
    for sign in text.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

/// The lock that a name which fits [`pattern`] belongs to; `None` for inner gates and for what is not ours.
pub(crate) fn lock_of(config: &RedisConfig, name: &str) -> Option<LockKey> {
    let stem = name.strip_prefix(config.prefix.as_str())?.strip_prefix('{')?.strip_suffix(PARTS[0])?;
    LockKey::from_file_stem(stem.strip_suffix("}:")?)
}

/// Where one client is woken.
pub(crate) fn channel(config: &RedisConfig, client: RequestId) -> String {
    format!("{}wake:{client}", config.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_hash_tag_of_its_own_and_reads_back() {
        let config = RedisConfig::parse("redis://h").unwrap();
        for name in ["a", "{a}", "}{", "a}b{c", "desktop/h/:0", "\u{65e5}"] {
            let key = LockKey::new(name).unwrap();
            let keys = Keys::of(&config, &key).0;
            let tag =
                |name: &str| name.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0.to_owned();
            assert!(keys.iter().all(|k| tag(k) == key.file_stem()), "{keys:?}");
            assert_eq!(lock_of(&config, &keys[0]), Some(key.clone()));
            assert_eq!(lock_of(&config, &Keys::of(&config, &key.inner_gate()).0[0]), None);
        }
        assert_eq!(lock_of(&config, "other{a}:lock"), None);
    }
}
