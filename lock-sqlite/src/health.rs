//! The probe of `talkstick doctor`.

use std::path::PathBuf;

use lock_core::{Error, Moment, Operation};

use crate::{busy, config::SqliteConfig, error::Trouble, layout, store::Store};

/// What is seen of a database that could be opened: it can be written, and is no newer than this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The database, without links in its path.
    pub path: PathBuf,
    /// The version of SQLite in this build.
    pub sqlite: &'static str,
    /// The version of the schema.
    pub schema: i64,
    /// How it keeps its journal: `wal`.
    pub journal: String,
    /// The size of its write-ahead log in bytes.
    pub log_bytes: u64,
    /// Files that users outside the owner and the group could read or write, with their modes.
    pub open_to_others: Vec<(PathBuf, u32)>,
}

/// Opens the database, making it where it is missing, and looks at it.
///
/// # Errors
/// [`Error::Store`] says what is wrong with it and what to do.
pub fn health(config: &SqliteConfig) -> Result<Health, Error> {
    let name = format!("sqlite:{}", config.path.display());
    look(config).map_err(|trouble| trouble.of(Operation::Open, name.clone(), name))
}

fn look(config: &SqliteConfig) -> Result<Health, Trouble> {
    let store = Store::open(config.clone())?;
    let until = Moment::now() + busy::BUSY_MAX;
    // A lock that nobody holds for a moment: whether it can be written is seen by trying, not by modes.
    store.touch(until)?;
    let (schema, journal) = store.read_patiently(until, |database| {
        let failed = || Trouble::sql("read", &store.path);
        let schema = database.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed())?;
        let journal = database.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed())?;
        Ok((schema, journal))
    })?;
    let log_bytes = std::fs::metadata(store.beside(layout::LOG)).map_or(0, |log| log.len());
    let files = ["", layout::LOG, layout::INDEX].map(|suffix| store.beside(suffix));
    let open_to_others = files.into_iter().filter_map(open_to_others).collect();
    Ok(Health { path: store.path.clone(), sqlite: rusqlite::version(), schema, journal, log_bytes, open_to_others })
}

#[cfg(unix)]
fn open_to_others(file: PathBuf) -> Option<(PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::symlink_metadata(&file).ok()?.permissions().mode() & 0o7777;
    (mode & 0o007 != 0).then_some((file, mode))
}

#[cfg(not(unix))]
fn open_to_others(_file: PathBuf) -> Option<(PathBuf, u32)> {
    None
}
