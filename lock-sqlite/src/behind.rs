//! Entering behind ourselves: where a process has many tasks in a long line, reading all of it for each of them would keep
//! the database from everybody else.

use std::sync::Arc;

use lock_core::{Entered, Place, Request, Ticket, wall_clock_us};
use tokio::sync::Notify;

use crate::{change::Change, error::Trouble, key::Waiting, queries};

impl Change<'_> {
    /// A place behind a ticket of ours that goes first in any case, so who sleeps for us and where stays as it is. `None`
    /// where that is not plain: then the whole line must be read.
    pub(crate) fn enter_behind_ours(&mut self, request: &Request) -> Result<Option<Entered>, Trouble> {
        let (process, ours) = {
            let table = self.key.table();
            let is_known = table.tickets.contains_key(&request.id) || table.leases.contains_key(&request.id);
            let behind = table.waiting().any(|ticket| ticket.request.priority >= request.priority);
            let sleeps = table.starting || table.baton_sleeper.is_some() || !table.sleepers.is_empty();
            if is_known || !behind || !sleeps || request.number.is_some() {
                return Ok(None);
            }
            (table.process(), table.waiting().count())
        };
        let Some(record) = self.record()? else { return Ok(None) };
        let db = &self.database().connection;
        let tail = queries::tail(db, &self.key.name, process, request.priority).map_err(self.sql("read"))?;
        if tail.is_unusual || tail.ours != ours || tail.waiting >= self.key.store.config.queue_max {
            return Ok(None);
        }
        let waiting = Waiting {
            request: request.clone(),
            number: wall_clock_us().max(record.last_ticket.max(tail.ticket_last).saturating_add(1)),
            since_us: wall_clock_us(),
            granted: false,
            fault: None,
            ring: Arc::new(Notify::new()),
        };
        self.put_in_line(&waiting)?;
        let ticket = Ticket { key: self.key.name.clone(), request: request.id, number: waiting.number };
        self.effects.queued = Some(waiting);
        Ok(Some(Entered::Queued(ticket, Place { ahead: tail.ahead })))
    }

    /// Writes down a ticket behind a file that is locked by now, and its number.
    fn put_in_line(&mut self, waiting: &Waiting) -> Result<(), Trouble> {
        self.insert(waiting)?;
        let issued = queries::issued(&self.database().connection, &self.key.name, waiting.number);
        issued.map_err(self.sql("write to"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use lock_core::{LockKey, Priority, RequestId, conformance::request, queue};
    use rusqlite::Connection;

    use super::*;
    use crate::{
        enter::place,
        entry::{Entry, Rest},
        schema,
    };

    pub(crate) fn entry(ticket: u64, process: u64, priority: Priority) -> Entry {
        let request = RequestId(u128::from(ticket));
        Entry { ticket, request, process, pid: 1, start: 1, since_us: 1, passed: 0, priority, rest: Rest::Awake }
    }

    /// What the tail says of a new ticket is what the whole line says of it, by lock-core's policy.
    #[test]
    fn the_tail_agrees_with_the_line() {
        let (db, key) = (Connection::open_in_memory().unwrap(), LockKey::new("k").unwrap());
        schema::migrate(&db, Path::new("db")).unwrap();
        let mut line = Vec::new();
        for ticket in 1..200_u64 {
            let asked = Priority::ALL[(ticket * 7 % 11 % 4) as usize];
            let tail = queries::tail(&db, &key, 3, asked).unwrap();
            line.push(entry(ticket, ticket % 5, asked));
            assert_eq!(tail.ahead, place(&line, RequestId(u128::from(ticket))).ahead, "ticket {ticket}");
            let ours = line[..line.len() - 1].iter().filter(|entry| entry.process == 3).count();
            assert_eq!((tail.waiting, tail.ours, tail.ticket_last), (line.len() - 1, ours, ticket - 1));
            assert!(!tail.is_unusual);
            queries::insert(&db, &key, &line[line.len() - 1], &request(7)).unwrap();
        }
        let aged = Entry { passed: queue::PASSED_MAX, ..entry(200, 1, Priority::Low) };
        let resting = Entry { rest: Rest::Stopped, ..entry(201, 1, Priority::Low) };
        for unusual in [aged, resting] {
            queries::insert(&db, &key, &unusual, &request(7)).unwrap();
            assert!(queries::tail(&db, &key, 3, Priority::Low).unwrap().is_unusual);
            queries::remove(&db, &key, unusual.ticket).unwrap();
        }
    }
}
