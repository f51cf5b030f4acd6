//! One function per statement, by what it is about.
//!
//! Numbers are 64 bits without a sign here and with one in SQLite: they are stored bit by bit, and those that SQL compares
//! (tickets: the clock in microseconds) stay far below the sign.

mod columns;
mod line;
mod plain_line;
mod record;
mod ticket;

pub(crate) use line::*;
pub(crate) use plain_line::*;
pub(crate) use record::*;
use rusqlite::{Connection, Result};
pub(crate) use ticket::*;

/// A number that differs from an earlier one of the same connection exactly when another connection has changed the
/// database since.
pub(crate) fn data_version(db: &Connection) -> Result<i64> {
    db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
