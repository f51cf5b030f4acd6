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

/// The statements of a plain line, and the index that answers each.
#[cfg(test)]
pub(crate) const OF_A_PLAIN_LINE: &[(&str, &str)] = &[
    (IS_PLAIN, "tickets_out_of_order"),
    (COUNT_OF, "tickets_of_process"),
    (FIRST_TWO, "tickets_in_order"),
    (FIRST_TWO_OF, "tickets_of_process"),
    (AHEAD_IN_PRIORITY, "tickets_in_order"),
    (AHEAD_IN_BETTER, "tickets_in_order"),
    (GO_BEFORE, "tickets_in_order"),
    (LAST_TICKET, "PRIMARY KEY"),
];

/// By the index over this very condition. One grant more to a later ticket, and who has 15 has aged.
const IS_PLAIN: &str = "SELECT NOT EXISTS (SELECT 1 FROM tickets INDEXED BY tickets_out_of_order
     WHERE key = ?1 AND (passed >= 15 OR rest <> 0))";
const _: () = assert!(queue::PASSED_MAX == 16, "the index must be made anew by a migration");

const COUNT_OF: &str = "SELECT count(*) FROM tickets WHERE key = ?1 AND process = ?2";

const FIRST_TWO: &str = "SELECT ticket, request, process, pid, start, since_us, passed, priority, rest FROM tickets
     INDEXED BY tickets_in_order WHERE key = ?1 ORDER BY priority DESC, ticket LIMIT 2";

const FIRST_TWO_OF: &str = "SELECT ticket, request, process, pid, start, since_us, passed, priority, rest FROM tickets
     INDEXED BY tickets_of_process WHERE key = ?1 AND process = ?2 ORDER BY priority DESC, ticket LIMIT 2";

/// The last one before a ticket, of its priority, that is the earliest of its process.
const AHEAD_IN_PRIORITY: &str =
    "SELECT ticket, request, process, pid, start, since_us, passed, priority, rest FROM tickets AS ahead
     INDEXED BY tickets_in_order WHERE key = ?1 AND priority = ?2 AND ticket < ?3
     AND ticket = (SELECT ticket FROM tickets AS its INDEXED BY tickets_of_process
                   WHERE its.key = ?1 AND its.process = ahead.process ORDER BY its.priority DESC, its.ticket LIMIT 1)
     ORDER BY ticket DESC LIMIT 1";

/// The same of all better priorities.
const AHEAD_IN_BETTER: &str =
    "SELECT ticket, request, process, pid, start, since_us, passed, priority, rest FROM tickets AS ahead
     INDEXED BY tickets_in_order WHERE key = ?1 AND priority > ?2
     AND ticket = (SELECT ticket FROM tickets AS its INDEXED BY tickets_of_process
                   WHERE its.key = ?1 AND its.process = ahead.process ORDER BY its.priority DESC, its.ticket LIMIT 1)
     ORDER BY priority, ticket DESC LIMIT 1";

const GO_BEFORE: &str = "SELECT
     (SELECT count(*) FROM tickets INDEXED BY tickets_in_order WHERE key = ?1 AND priority > ?2) +
     (SELECT count(*) FROM tickets INDEXED BY tickets_in_order WHERE key = ?1 AND priority = ?2 AND ticket < ?3)";

const LAST_TICKET: &str = "SELECT coalesce(max(ticket), 0) FROM tickets WHERE key = ?1";

/// Whether nobody in line is out of the order of priority and number, nor will be after one more grant.
pub(crate) fn is_plain(db: &Connection, key: &LockKey) -> Result<bool> {
    db.prepare_cached(IS_PLAIN)?.query_row([key.as_str()], |row| row.get(0))
}

/// How many tickets of the process stand in line.
pub(crate) fn count_of(db: &Connection, key: &LockKey, process: u64) -> Result<usize> {
    db.prepare_cached(COUNT_OF)?.query_row(params![key.as_str(), signed(process)], |row| count(row, 0))
}

/// How many tickets stand in line.
pub(crate) fn length(db: &Connection, key: &LockKey) -> Result<usize> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM tickets WHERE key = ?1")?;
    statement.query_row([key.as_str()], |row| count(row, 0))
}

/// The first two of a plain line.
pub(crate) fn first_two(db: &Connection, key: &LockKey) -> Result<Vec<Entry>> {
    db.prepare_cached(FIRST_TWO)?.query_map([key.as_str()], read_entry)?.collect()
}

/// The first two of a process in a plain line.
pub(crate) fn first_two_of(db: &Connection, key: &LockKey, process: u64) -> Result<Vec<Entry>> {
    db.prepare_cached(FIRST_TWO_OF)?.query_map(params![key.as_str(), signed(process)], read_entry)?.collect()
}

/// Whom the process of this ticket sleeps on, its earliest one in a plain line: the last before it that is the earliest of
/// its own process.
pub(crate) fn ahead_of(db: &Connection, key: &LockKey, earliest: &Entry) -> Result<Option<Entry>> {
    let priority = earliest.priority as u8;
    let in_priority = params![key.as_str(), priority, signed(earliest.ticket)];
    let ahead = db.prepare_cached(AHEAD_IN_PRIORITY)?.query_row(in_priority, read_entry).optional()?;
    match ahead {
        None => db.prepare_cached(AHEAD_IN_BETTER)?.query_row(params![key.as_str(), priority], read_entry).optional(),
        ahead => Ok(ahead),
    }
}

/// How many go before a ticket in a plain line.
pub(crate) fn go_before(db: &Connection, key: &LockKey, priority: Priority, ticket: u64) -> Result<usize> {
    let values = params![key.as_str(), priority as u8, signed(ticket)];
    db.prepare_cached(GO_BEFORE)?.query_row(values, |row| count(row, 0))
}

/// The highest number in line; 0 in an empty one.
pub(crate) fn last_ticket(db: &Connection, key: &LockKey) -> Result<u64> {
    db.prepare_cached(LAST_TICKET)?.query_row([key.as_str()], |row| unsigned(row, 0))
}

/// The process of a ticket in line.
pub(crate) fn process_of(db: &Connection, key: &LockKey, ticket: u64) -> Result<Option<u64>> {
    let mut statement = db.prepare_cached("SELECT process FROM tickets WHERE key = ?1 AND ticket = ?2")?;
    statement.query_row(params![key.as_str(), signed(ticket)], |row| unsigned(row, 0)).optional()
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

/// A number that differs from an earlier one of the same connection exactly when another connection has changed the
/// database since.
pub(crate) fn data_version(db: &Connection) -> Result<i64> {
    db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn count(row: &Row<'_>, at: usize) -> Result<usize> {
    row.get::<_, u32>(at).map(|count| count as usize)
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
