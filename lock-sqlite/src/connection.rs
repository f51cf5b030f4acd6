//! One connection, as all of ours are set up.

use std::{path::Path, time::Duration};

use lock_core::Moment;
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{busy, error::Trouble};

/// Pages in the write-ahead log before they are copied into the database: half a megabyte is read again in a moment by who
/// opens it first.
const LOG_PAGES: u32 = 128;

/// Opens the database, which must be there, without changing anything in it.
pub(crate) fn open(path: &Path) -> Result<Connection, Trouble> {
    // No link is followed in any part of the path, which is why it must be resolved before.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let failed = || Trouble::sql("open", path);
    let connection = Connection::open_with_flags(path, flags).map_err(failed())?;
    // Patience is ours; see `busy`.
    connection.busy_timeout(Duration::ZERO).map_err(failed())?;
    // The last to close would copy the log and delete it, which costs every short-lived process more than it is worth.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed())?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed())?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Sets the connection up for our work. Writes to the database where it keeps no write-ahead log yet.
///
/// Nothing is synced to the disk: no lock outlives the machine's uptime. A database that a power failure tore is found
/// damaged and made anew, and tokens go on from the clock.
pub(crate) fn set_up(connection: &Connection, path: &Path, until: Moment) -> Result<(), Trouble> {
    let mode: String = busy::patiently(path, "open", until, || {
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
    })?;
    if mode != "wal" {
        return Err(Trouble::NoLog { path: path.to_owned(), mode });
    }
    let settings = format!("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = {LOG_PAGES};");
    connection.execute_batch(&settings).map_err(Trouble::sql("set up", path))
}

/// Whether the database as a whole cannot be used.
pub(crate) fn is_damaged(path: &Path, until: Moment) -> Result<bool, Trouble> {
    let connection = open(path)?;
    let check = busy::patiently(path, "check", until, || {
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
    });
    match check {
        Ok(verdict) => Ok(verdict != "ok"),
        Err(trouble) if trouble.is_damage() => Ok(true),
        Err(trouble) => Err(trouble),
    }
}
