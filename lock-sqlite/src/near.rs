//! The part of a line that tells a process its turn: a few rows, however long the line is.
//!
//! As long as nobody has aged or rests, the order is plain: by priority and number, which an index has. Then the policy
//! says of these rows what it would say of all. Else the whole line is read.

use std::collections::BTreeMap;

use lock_core::{LockKey, Place, Priority, RequestId, turn};
use rusqlite::{Connection, Result};

use crate::{
    change::{Change, WakeMove},
    enter::place,
    entry::Entry,
    error::Trouble,
    queries,
};

impl Change<'_> {
    /// What of the line tells this process its turn, and who comes after it; its tickets are in the line as its table has
    /// them.
    pub(crate) fn near(&mut self) -> Result<Vec<Entry>, Trouble> {
        let (process, waiting) = {
            let table = self.key.table();
            (table.process(), table.waiting().count())
        };
        let (db, key) = (&self.database().connection, &self.key.name);
        if waiting == 0 && process == 0 && queries::first_two(db, key).map_err(self.sql("read"))?.is_empty() {
            return Ok(Vec::new());
        }
        let is_plain = queries::is_plain(db, key).map_err(self.sql("read"))?;
        let agrees = queries::count_of(db, key, process).map_err(self.sql("read"))? == waiting;
        if !is_plain || !agrees || (waiting > 0 && process == 0) {
            return self.line();
        }
        near(db, key, process).map_err(self.sql("read"))
    }

    /// As [`Change::near`], of the line as the database has it: while a ticket of ours is in it that the table does not
    /// know yet.
    pub(crate) fn near_as_written(&self) -> Result<Vec<Entry>, Trouble> {
        let (db, key) = (&self.database().connection, &self.key.name);
        let process = self.key.table().process();
        let rows = match queries::is_plain(db, key).map_err(self.sql("read"))? {
            true => near(db, key, process),
            false => queries::line(db, key),
        };
        rows.map_err(self.sql("read"))
    }
}

/// How many go before the ticket.
pub(crate) fn place_of(
    db: &Connection,
    key: &LockKey,
    (request, priority, ticket): (RequestId, Priority, u64),
) -> Result<Place> {
    match queries::is_plain(db, key)? {
        true => queries::go_before(db, key, priority, ticket).map(|ahead| Place { ahead }),
        false => queries::line(db, key).map(|line| place(&line, request)),
    }
}

/// What becomes of our place in line when a ticket of ours leaves it.
pub(crate) fn place_without(db: &Connection, key: &LockKey, entry: &Entry) -> Result<WakeMove> {
    if !queries::is_plain(db, key)? {
        let line = queries::line(db, key)?;
        let others_are_ours = line.iter().any(|e| e.process == entry.process && e.ticket != entry.ticket);
        let at = line.iter().position(|e| e.ticket == entry.ticket);
        return Ok(WakeMove::without(others_are_ours, at.is_some_and(|at| turn::keeps_place_without(&line, at))));
    }
    let ours = queries::first_two_of(db, key, entry.process)?;
    let is_earliest = ours.first().is_some_and(|first| first.ticket == entry.ticket);
    let keeps_place = !is_earliest || queries::process_behind(db, key, entry)? == Some(entry.process);
    Ok(WakeMove::without(ours.len() > 1, keeps_place))
}

/// The first two of a plain line, the first two of the process, and the one that it sleeps on.
pub(crate) fn near(db: &Connection, key: &LockKey, process: u64) -> Result<Vec<Entry>> {
    let first = queries::first_two(db, key)?;
    let ours = queries::first_two_of(db, key, process)?;
    let ahead = match ours.first() {
        Some(earliest) if first.first() != Some(earliest) => queries::ahead_of(db, key, earliest)?,
        _ => None,
    };
    let by_ticket = first.into_iter().chain(ours).chain(ahead).map(|entry| (entry.ticket, entry));
    Ok(by_ticket.collect::<BTreeMap<_, _>>().into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lock_core::{
        conformance::request,
        turn::{Turn, turn},
    };

    use super::*;
    use crate::{behind::tests::entry, schema};

    /// Which ticket, and where it sleeps, by number.
    fn told(line: &[Entry], process: u64) -> (&'static str, u64, u64) {
        match turn(line, process) {
            Turn::None => ("none", 0, 0),
            Turn::Head(index) => ("head", line[index].ticket, 0),
            Turn::Behind { ahead, ours } => ("behind", line[ours].ticket, line[ahead].process),
        }
    }

    /// Of every line the few rows tell every process what all rows tell it, also of who comes after a grant to it.
    #[test]
    fn a_few_rows_tell_what_the_whole_line_tells() {
        let (db, key) = (Connection::open_in_memory().unwrap(), LockKey::new("k").unwrap());
        schema::migrate(&db, Path::new("db")).unwrap();
        let mut seed = 7_u64;
        let mut random = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        let mut heads = 0;
        for _ in 0..500 {
            db.execute("DELETE FROM tickets", []).unwrap();
            let (processes, priorities) = (1 + random(6), 1 + random(4));
            let line: Vec<Entry> = (1..=random(12))
                .map(|n| entry(n * 5 % 13, 1 + random(processes), Priority::ALL[random(priorities) as usize]))
                .collect();
            for entry in &line {
                queries::insert(&db, &key, entry, &request(7)).unwrap();
            }
            for (at, e) in line.iter().enumerate() {
                let placed = place_of(&db, &key, (e.request, e.priority, e.ticket)).unwrap();
                assert_eq!(placed, place(&line, e.request), "{} of {line:?}", e.ticket);
                let others = line.iter().filter(|other| other.process == e.process).count() > 1;
                let moved = WakeMove::without(others, turn::keeps_place_without(&line, at));
                assert_eq!(place_without(&db, &key, e).unwrap(), moved, "without {} of {line:?}", e.ticket);
            }
            for process in 1..=processes + 1 {
                let few = near(&db, &key, process).unwrap();
                assert_eq!(told(&few, process), told(&line, process), "{process} of {line:?}");
                let Turn::Head(index) = turn(&few, process) else { continue };
                heads += 1;
                let without = |line: &[Entry]| {
                    let left = line.iter().filter(|e| e.ticket != few[index].ticket).copied().collect::<Vec<_>>();
                    (left.iter().any(|e| e.process == process), turn::next_awake(&left).map(|i| left[i]))
                };
                assert_eq!(without(&few), without(&line), "after {process} of {line:?}");
            }
        }
        assert!(heads > 300, "{heads}");
    }

    /// Nothing sorts or reads a whole line where it is plain.
    #[test]
    fn each_question_is_answered_by_an_index() {
        let db = Connection::open_in_memory().unwrap();
        schema::migrate(&db, Path::new("db")).unwrap();
        for (sql, index) in queries::OF_A_PLAIN_LINE {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![rusqlite::types::Null; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let text = steps.join("; ");
            assert!(
                text.contains(index) && !text.contains("TEMP B-TREE") && !text.contains("SCAN tickets"),
                "{sql}: {text}"
            );
        }
    }
}
