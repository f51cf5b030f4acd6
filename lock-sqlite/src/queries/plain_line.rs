//! Of a line in which nobody has aged or rests, and so the order is an index's: a few rows, however long it is.

use lock_core::{LockKey, Priority, queue};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{count, entry_columns, read_entry, signed, unsigned};
use crate::entry::Entry;

/// The statements of a plain line, and the index that answers each.
#[cfg(test)]
pub(crate) const OF_A_PLAIN_LINE: &[(&str, &str)] = &[
    (IS_PLAIN, "tickets_out_of_order"),
    (COUNT_OF, "tickets_of_process"),
    (FIRST_TWO, "tickets_in_order"),
    (FIRST_TWO_OF, "tickets_of_process"),
    (AHEAD_IN_PRIORITY, "tickets_in_order"),
    (AHEAD_IN_BETTER, "tickets_in_order"),
    (BEHIND_IN_PRIORITY, "tickets_in_order"),
    (BEHIND_IN_WORSE, "tickets_in_order"),
    (GO_BEFORE, "tickets_in_order"),
    (LAST_TICKET, "PRIMARY KEY"),
];

/// By the index over this very condition. One grant more to a later ticket, and who has 15 has aged.
const IS_PLAIN: &str = "SELECT NOT EXISTS (SELECT 1 FROM tickets INDEXED BY tickets_out_of_order
     WHERE key = ?1 AND (passed >= 15 OR rest <> 0))";
const _: () = assert!(queue::PASSED_MAX == 16, "the index must be made anew by a migration");

const COUNT_OF: &str = "SELECT count(*) FROM tickets WHERE key = ?1 AND process = ?2";

const FIRST_TWO: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM tickets INDEXED BY tickets_in_order WHERE key = ?1 ORDER BY priority DESC, ticket LIMIT 2"
);

const FIRST_TWO_OF: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM tickets INDEXED BY tickets_of_process WHERE key = ?1 AND process = ?2 ORDER BY priority DESC, ticket LIMIT 2"
);

/// The last ticket that is the earliest of its process, of those in a range of the order.
macro_rules! ahead {
    ($range:literal, $order:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " FROM tickets AS ahead INDEXED BY tickets_in_order WHERE key = ?1 AND ",
            $range,
            " AND ticket = (SELECT ticket FROM tickets AS its INDEXED BY tickets_of_process
                   WHERE its.key = ?1 AND its.process = ahead.process ORDER BY its.priority DESC, its.ticket LIMIT 1)
              ORDER BY ",
            $order,
            " LIMIT 1"
        )
    };
}

/// Before a ticket, of its priority.
const AHEAD_IN_PRIORITY: &str = ahead!("priority = ?2 AND ticket < ?3", "ticket DESC");

/// Of all better priorities.
const AHEAD_IN_BETTER: &str = ahead!("priority > ?2", "priority, ticket DESC");

const BEHIND_IN_PRIORITY: &str = "SELECT process FROM tickets INDEXED BY tickets_in_order
     WHERE key = ?1 AND priority = ?2 AND ticket > ?3 ORDER BY ticket LIMIT 1";

/// The same of all worse priorities.
const BEHIND_IN_WORSE: &str = "SELECT process FROM tickets INDEXED BY tickets_in_order
     WHERE key = ?1 AND priority < ?2 ORDER BY priority DESC, ticket LIMIT 1";

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
    nearest(db, [AHEAD_IN_PRIORITY, AHEAD_IN_BETTER], key, earliest, read_entry)
}

/// The process of the ticket that comes next behind this one in a plain line.
pub(crate) fn process_behind(db: &Connection, key: &LockKey, entry: &Entry) -> Result<Option<u64>> {
    nearest(db, [BEHIND_IN_PRIORITY, BEHIND_IN_WORSE], key, entry, |row| unsigned(row, 0))
}

/// What stands nearest to a ticket: of its own priority, else of those beyond it.
fn nearest<T>(
    db: &Connection,
    [in_priority, beyond]: [&str; 2],
    key: &LockKey,
    entry: &Entry,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let priority = entry.priority as u8;
    let values = params![key.as_str(), priority, signed(entry.ticket)];
    match db.prepare_cached(in_priority)?.query_row(values, read).optional()? {
        None => db.prepare_cached(beyond)?.query_row(params![key.as_str(), priority], read).optional(),
        found => Ok(found),
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
