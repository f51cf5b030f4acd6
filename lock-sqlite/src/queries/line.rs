//! A whole line: its rows, and what counts them.

use lock_core::{LockKey, Priority, queue};
use rusqlite::{Connection, Result, params};

use super::columns::{count, entry_columns, read_entry, signed, unsigned};
use crate::entry::Entry;

/// The line of a key, in no order of its own.
pub(crate) fn line(db: &Connection, key: &LockKey) -> Result<Vec<Entry>> {
    let mut statement = db.prepare_cached(concat!("SELECT ", entry_columns!(), " FROM tickets WHERE key = ?1"))?;
    statement.query_map([key.as_str()], read_entry)?.collect()
}

/// How many tickets stand in line.
pub(crate) fn length(db: &Connection, key: &LockKey) -> Result<usize> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM tickets WHERE key = ?1")?;
    statement.query_row([key.as_str()], |row| count(row, 0))
}

/// What a newcomer need know of a line that it stands behind, without its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    /// How many wait.
    pub(crate) waiting: usize,
    /// How many of them are of this process.
    pub(crate) ours: usize,
    /// How many go before a new ticket of this priority, as long as nobody has aged.
    pub(crate) ahead: usize,
    pub(crate) ticket_last: u64,
    /// Whether a ticket has aged or is passed over: then only the whole line tells who goes first.
    pub(crate) is_unusual: bool,
}

/// Looks at the end of a line. One pass over its rows inside SQLite, a tenth of what reading them costs.
pub(crate) fn tail(db: &Connection, key: &LockKey, process: u64, priority: Priority) -> Result<Tail> {
    let mut statement = db.prepare_cached(
        "SELECT count(*), count(*) FILTER (WHERE process = ?2), count(*) FILTER (WHERE priority >= ?3),
                coalesce(max(ticket), 0), count(*) FILTER (WHERE passed >= ?4 OR rest <> 0) > 0
         FROM tickets WHERE key = ?1",
    )?;
    statement.query_row(params![key.as_str(), signed(process), priority as u8, queue::PASSED_MAX], |row| {
        Ok(Tail {
            waiting: count(row, 0)?,
            ours: count(row, 1)?,
            ahead: count(row, 2)?,
            ticket_last: unsigned(row, 3)?,
            is_unusual: row.get(4)?,
        })
    })
}
