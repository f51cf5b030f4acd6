//! The number of a ticket: grows for ever, and comes back with who had it.

use lock_core::{Request, queue};

use crate::{error::Trouble, holder::Record, key::Section, line::Line};

impl Section<'_> {
    /// The number of a request that asks now.
    pub(crate) fn number(&mut self, line: &mut Line, request: &Request) -> Result<u64, Trouble> {
        let record = Record::read(&self.files.holder).map_err(self.files.holder_trouble("read"))?;
        if let Some(asked) = request.number {
            self.clear_number(line, asked)?;
        }
        let next = line.number_now().max(record.last_ticket.saturating_add(1));
        let holders = record.held.map(|held| held.ticket);
        let in_use = |number| holders == Some(number) || line.entries().iter().any(|e| e.ticket == number);
        Ok(queue::number(request.number, next, in_use))
    }

    /// Takes out of the line who has this number and is dead.
    fn clear_number(&mut self, line: &mut Line, number: u64) -> Result<(), Trouble> {
        match line.entries().iter().find(|e| e.ticket == number).copied() {
            Some(entry) if entry.process != self.key.process => self.sweep_if_dead(line, entry.process).map(drop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lock_core::{Entered, flock};

    use super::*;
    use crate::testing::{key, request};

    #[test]
    fn numbers_grow_although_the_clock_was_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (key(folder.path(), 1), key(folder.path(), 2));
        let files = { a.section().unwrap().files.clone() };
        let gate = files.open_gate().unwrap();
        assert!(flock::try_exclusive(&gate.file).unwrap());
        // A newcomer of an hour that is still to come.
        let ahead = lock_core::wall_clock_us() + 3_600_000_000;
        a.grant_newcomer(&files, gate, &request(1), ahead).unwrap();
        let Entered::Queued(waits, _) = b.section().unwrap().enter(&request(2)).unwrap() else { panic!("it is held") };
        assert!(waits.number > ahead);
        b.section().unwrap().withdraw(waits.request).unwrap();
        assert!(a.let_go(lock_core::RequestId(1), None));
        let Entered::Granted(next) = b.section().unwrap().enter(&request(3)).unwrap() else { panic!("it is free") };
        assert!(next.ticket > ahead);
    }

    #[test]
    fn a_number_comes_back_although_its_old_ticket_still_stands_in_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (key(folder.path(), 1), key(folder.path(), 2));
        assert!(matches!(b.section().unwrap().enter(&request(1)).unwrap(), Entered::Granted(_)));
        // No thread of its own: the test does what it would, as far as the grant.
        a.table().starting = true;
        let Entered::Queued(ticket, _) = a.section().unwrap().enter(&request(2)).unwrap() else { panic!("it is held") };
        assert!(b.let_go(lock_core::RequestId(1), None));
        let files = a.files().unwrap();
        let gate = files.open_gate().unwrap();
        assert!(flock::try_exclusive(&gate.file).unwrap());
        a.grant_waiting(&files, gate, ticket.number).unwrap();
        assert!(a.let_go(ticket.request, None));
        let back = Request { number: Some(ticket.number), ..request(3) };
        let number = match a.section().unwrap().enter(&back).unwrap() {
            Entered::Granted(lease) => lease.ticket,
            Entered::Queued(ticket, _) => ticket.number,
        };
        assert_eq!(number, ticket.number);
        a.settle(ticket.request).unwrap();
        let left: Vec<_> = a.section().unwrap().line().unwrap().entries().iter().map(|e| e.request).collect();
        assert!(!left.contains(&ticket.request));
    }
}
