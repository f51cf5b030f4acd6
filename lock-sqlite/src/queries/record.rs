//! The row of a key: its last lease, and what lasts for ever.

use lock_core::{FencingToken, LockKey, RequestId, SecretHash};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{read_owner, signed, unsigned};
use crate::entry::Record;

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
