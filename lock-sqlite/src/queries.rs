//! One function per statement.
//!
//! Numbers are 64 bits without a sign here and with one in SQLite: they are stored bit by bit, and those that SQL compares
//! (tickets: the clock in microseconds) stay far below the sign.

use lock_core::{FencingToken, LockKey, Owner, Priority, Request, RequestId, SecretHash, queue};
use rusqlite::{Connection, OptionalExtension, Result, Row, params, types::Type};

use crate::entry::{Entry, Record, Rest};

/// The row of a key.
pub(crate) fn record(db: &Connection, key: &LockKey) -> Result<Option<Record>> {
    let mut statement = db.prepare_cached(
        "SELECT last_token, last_ticket, request, baton, ticket, secret, since_us, host, pid, start, label, broken
         FROM locks WHERE key = ?1",
    )?;
    statement.query_row([key.as_str()], read_record).optional()
}

/// Writes the row of a key.
pub(crate) fn write_record(db: &Connection, key: &LockKey, record: &Record) -> Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO locks (key, last_token, last_ticket, request, baton, ticket, secret, since_us, host, pid, start, label,
                            broken)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (key) DO UPDATE SET
             last_token = ?2, last_ticket = ?3, request = ?4, baton = ?5, ticket = ?6, secret = ?7, since_us = ?8, host = ?9,
             pid = ?10, start = ?11, label = ?12, broken = ?13",
    )?;
    let Record { last_token, last_ticket, request, baton, ticket, secret, since_us, owner, broken } = record;
    statement.execute(params![
        key.as_str(),
        signed(last_token.0),
        signed(*last_ticket),
        request.0.to_le_bytes(),
        signed(*baton),
        signed(*ticket),
        secret.0,
        signed(*since_us),
        owner.host,
        owner.pid,
        signed(owner.start),
        owner.label,
        broken,
    ])?;
    Ok(())
}

/// Remembers the highest number issued.
pub(crate) fn issued(db: &Connection, key: &LockKey, ticket: u64) -> Result<()> {
    let mut statement = db.prepare_cached("UPDATE locks SET last_ticket = ?2 WHERE key = ?1 AND last_ticket < ?2")?;
    statement.execute(params![key.as_str(), signed(ticket)])?;
    Ok(())
}

/// Marks the lease as broken.
pub(crate) fn mark_broken(db: &Connection, key: &LockKey) -> Result<()> {
    db.prepare_cached("UPDATE locks SET broken = 1 WHERE key = ?1")?.execute([key.as_str()])?;
    Ok(())
}

/// All keys that were ever locked.
pub(crate) fn keys(db: &Connection) -> Result<Vec<String>> {
    db.prepare_cached("SELECT key FROM locks")?.query_map([], |row| row.get(0))?.collect()
}

/// The line of a key, in no order of its own.
pub(crate) fn line(db: &Connection, key: &LockKey) -> Result<Vec<Entry>> {
    let mut statement = db.prepare_cached(
        "SELECT ticket, request, process, pid, start, since_us, passed, priority, rest FROM tickets WHERE key = ?1",
    )?;
    statement.query_map([key.as_str()], read_entry)?.collect()
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
        let counted = |at| row.get::<_, u32>(at).map(|count| count as usize);
        Ok(Tail {
            waiting: counted(0)?,
            ours: counted(1)?,
            ahead: counted(2)?,
            ticket_last: unsigned(row, 3)?,
            is_unusual: row.get(4)?,
        })
    })
}

/// Host and label of a ticket.
pub(crate) fn owner(db: &Connection, key: &LockKey, ticket: u64) -> Result<Owner> {
    let mut statement =
        db.prepare_cached("SELECT host, pid, start, label FROM tickets WHERE key = ?1 AND ticket = ?2")?;
    statement.query_row(params![key.as_str(), signed(ticket)], |row| read_owner(row, 0))
}

/// Whether a ticket stands in line, and is waited for.
pub(crate) fn rest(db: &Connection, key: &LockKey, ticket: u64, request: RequestId) -> Result<Option<Rest>> {
    let mut statement =
        db.prepare_cached("SELECT rest FROM tickets WHERE key = ?1 AND ticket = ?2 AND request = ?3")?;
    let values = params![key.as_str(), signed(ticket), request.0.to_le_bytes()];
    statement.query_row(values, |row| read_rest(row, 0)).optional()
}

/// Puts a ticket in line.
pub(crate) fn insert(db: &Connection, key: &LockKey, entry: &Entry, request: &Request) -> Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO tickets (key, ticket, request, process, priority, passed, rest, since_us, host, pid, start, label)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    statement.execute(params![
        key.as_str(),
        signed(entry.ticket),
        entry.request.0.to_le_bytes(),
        signed(entry.process),
        entry.priority as u8,
        entry.passed,
        entry.rest as u8,
        signed(entry.since_us),
        request.owner.host,
        entry.pid,
        signed(entry.start),
        request.owner.label,
    ])?;
    Ok(())
}

/// Takes a ticket out of the line.
pub(crate) fn remove(db: &Connection, key: &LockKey, ticket: u64) -> Result<()> {
    let mut statement = db.prepare_cached("DELETE FROM tickets WHERE key = ?1 AND ticket = ?2")?;
    statement.execute(params![key.as_str(), signed(ticket)])?;
    Ok(())
}

/// Counts a grant to `granted` for the tickets that it passes: those that asked before it and are awake.
pub(crate) fn count_passed(db: &Connection, key: &LockKey, granted: u64) -> Result<()> {
    let mut statement =
        db.prepare_cached("UPDATE tickets SET passed = passed + 1 WHERE key = ?1 AND ticket < ?2 AND rest = 0")?;
    statement.execute(params![key.as_str(), signed(granted)])?;
    Ok(())
}

/// Says whether a ticket is waited for.
pub(crate) fn set_rest(db: &Connection, key: &LockKey, ticket: u64, rest: Rest) -> Result<()> {
    let mut statement = db.prepare_cached("UPDATE tickets SET rest = ?3 WHERE key = ?1 AND ticket = ?2")?;
    statement.execute(params![key.as_str(), signed(ticket), rest as u8])?;
    Ok(())
}

/// A number that differs from an earlier one of the same connection exactly when another connection has changed the
/// database since.
pub(crate) fn data_version(db: &Connection) -> Result<i64> {
    db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn unsigned(row: &Row<'_>, at: usize) -> Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

fn read_record(row: &Row<'_>) -> Result<Record> {
    Ok(Record {
        last_token: FencingToken(unsigned(row, 0)?),
        last_ticket: unsigned(row, 1)?,
        request: RequestId(u128::from_le_bytes(row.get(2)?)),
        baton: unsigned(row, 3)?,
        ticket: unsigned(row, 4)?,
        secret: SecretHash(row.get(5)?),
        since_us: unsigned(row, 6)?,
        owner: read_owner(row, 7)?,
        broken: row.get(11)?,
    })
}

fn read_owner(row: &Row<'_>, at: usize) -> Result<Owner> {
    Ok(Owner { host: row.get(at)?, pid: row.get(at + 1)?, start: unsigned(row, at + 2)?, label: row.get(at + 3)? })
}

fn read_entry(row: &Row<'_>) -> Result<Entry> {
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

fn read_rest(row: &Row<'_>, at: usize) -> Result<Rest> {
    let number = row.get::<_, u8>(at)?;
    [Rest::Awake, Rest::Asleep, Rest::Stopped].into_iter().find(|r| *r as u8 == number).ok_or_else(|| outside(at))
}

fn outside(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, "not a value of ours".into())
}
