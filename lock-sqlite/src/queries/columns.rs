//! Values of ours in columns of SQLite's.

use lock_core::{Owner, Priority, RequestId};
use rusqlite::{Result, Row, types::Type};

use crate::entry::{Entry, Rest};

pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn count(row: &Row<'_>, at: usize) -> Result<usize> {
    row.get::<_, u32>(at).map(|count| count as usize)
}

pub(super) fn unsigned(row: &Row<'_>, at: usize) -> Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

pub(super) fn read_owner(row: &Row<'_>, at: usize) -> Result<Owner> {
    Ok(Owner { host: row.get(at)?, pid: row.get(at + 1)?, start: unsigned(row, at + 2)?, label: row.get(at + 3)? })
}

/// The columns of [`read_entry`], in its order.
macro_rules! entry_columns {
    () => {
        "ticket, request, process, pid, start, since_us, passed, priority, rest"
    };
}
pub(super) use entry_columns;

pub(super) fn read_entry(row: &Row<'_>) -> Result<Entry> {
    let priority = usize::from(row.get::<_, u8>(7)?);
    Ok(Entry {
        ticket: unsigned(row, 0)?,
        request: RequestId(u128::from_le_bytes(row.get(1)?)),
        process: unsigned(row, 2)?,
        pid: row.get(3)?,
        start: unsigned(row, 4)?,
        since_us: unsigned(row, 5)?,
        passed: row.get(6)?,
        priority: Priority::ALL.get(priority).copied().ok_or_else(|| outside(7))?,
        rest: read_rest(row, 8)?,
    })
}

pub(super) fn read_rest(row: &Row<'_>, at: usize) -> Result<Rest> {
    let number = row.get::<_, u8>(at)?;
    [Rest::Awake, Rest::Asleep, Rest::Stopped].into_iter().find(|r| *r as u8 == number).ok_or_else(|| outside(at))
}

fn outside(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, "not a value of ours".into())
}
