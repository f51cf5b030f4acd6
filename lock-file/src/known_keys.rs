//! Which keys a folder has locks of.

use std::{fs, io};

use lock_core::{Error, LockKey, Operation};

use crate::{FileConfig, error::Trouble};

/// The keys that were ever locked in this folder, sorted; none where there is no folder yet.
///
/// # Errors
/// [`Error::Store`]: the folder cannot be read, so that nothing is known.
pub fn known_keys(config: &FileConfig) -> Result<Vec<LockKey>, Error> {
    let store = format!("file:{}", config.dir.display());
    let failed = |source| Trouble::io("read", &config.dir)(source).of(Operation::Inspect, store.clone(), store.clone());
    let entries = match fs::read_dir(&config.dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut keys = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".lock"));
        keys.extend(stem.and_then(LockKey::from_file_stem));
    }
    keys.sort();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_keys_of_gates_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let config = FileConfig::new(dir.path().join("locks"));
        assert!(known_keys(&config).unwrap().is_empty());
        fs::create_dir(&config.dir).unwrap();
        for name in ["b.lock", "%41.lock", "%41%01.lock", "other.txt", ".talkstick"] {
            fs::write(config.dir.join(name), "").unwrap();
        }
        let keys: Vec<String> = known_keys(&config).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(keys, ["A", "b"]);
    }
}
