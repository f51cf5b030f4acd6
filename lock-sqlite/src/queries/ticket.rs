//! Tickets by their numbers, and what changes them.

use lock_core::{LockKey, Owner, Request, RequestId};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::columns::{entry_columns, read_entry, read_owner, read_rest, signed, unsigned};
use crate::entry::{Entry, Rest};

/// The process of a ticket in line.
pub(crate) fn process_of(db: &Connection, key: &LockKey, ticket: u64) -> Result<Option<u64>> {
    let mut statement = db.prepare_cached("SELECT process FROM tickets WHERE key = ?1 AND ticket = ?2")?;
    statement.query_row(params![key.as_str(), signed(ticket)], |row| unsigned(row, 0)).optional()
}

/// A ticket in line.
pub(crate) fn entry(db: &Connection, key: &LockKey, ticket: u64) -> Result<Option<Entry>> {
    let mut statement =
        db.prepare_cached(concat!("SELECT ", entry_columns!(), " FROM tickets WHERE key = ?1 AND ticket = ?2"))?;
    statement.query_row(params![key.as_str(), signed(ticket)], read_entry).optional()
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

/// Takes all tickets of a process out of the line.
pub(crate) fn remove_process(db: &Connection, key: &LockKey, process: u64) -> Result<()> {
    let mut statement = db.prepare_cached("DELETE FROM tickets WHERE key = ?1 AND process = ?2")?;
    statement.execute(params![key.as_str(), signed(process)])?;
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
