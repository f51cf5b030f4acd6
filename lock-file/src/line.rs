//! The line: tickets as fixed-size records in one file, changed in place under the mutex.
//!
//! A record has 64 bytes, so a thousand are read in tens of microseconds. A change writes only what changed, the header
//! last: what a crash leaves is a record that does not count, or one that stands twice and is dropped by its request.
//! Damage is no error but an empty line under a new epoch: live processes put their tickets back under their numbers.

use std::{fs::File, io};

use lock_core::{
    RequestId, dir,
    turn::{self, InLine},
    wall_clock_us,
};

use crate::{
    entry::Entry,
    header::{HEADER, Header},
    record::RECORD,
};

/// Read at once: a header and 63 records, one page.
const FIRST_READ: usize = 4096;

/// The line as it was read. Its changes go to the file at once; call them only under the mutex.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// What was read, kept for its memory: fresh memory costs more than the reading.
    bytes: Vec<u8>,
    header: Header,
    entries: Vec<Entry>,
    /// The file differs from `entries` beyond the next change: it is written whole then.
    damaged: bool,
}

impl Line {
    /// Reads the line. Damage gives the records that are left.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let mut line = Self::fresh(Vec::new(), Vec::new());
        line.read_again(file)?;
        Ok(line)
    }

    /// An empty line that outranks every number issued before: those came from the clock too.
    fn fresh(bytes: Vec<u8>, entries: Vec<Entry>) -> Self {
        let now = wall_clock_us();
        Self { bytes, header: Header { epoch: now, next_ticket: now, head: 0, count: 0 }, entries, damaged: true }
    }

    /// Reads the line anew, into the memory of this one.
    pub(crate) fn read_again(&mut self, file: &File) -> io::Result<()> {
        let (mut bytes, mut entries) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.entries));
        entries.clear();
        if bytes.len() < FIRST_READ {
            bytes.resize(FIRST_READ, 0);
        }
        let mut length = dir::read_once_at(file, &mut bytes[..FIRST_READ], 0)?;
        let Some(header) = Header::decode(&bytes[..length]) else {
            *self = Self::fresh(bytes, entries);
            return Ok(());
        };
        let needed = HEADER + header.count as usize * RECORD;
        if needed > bytes.len() {
            bytes.resize(needed, 0);
        }
        if needed > FIRST_READ {
            length += dir::read_at(file, &mut bytes[FIRST_READ..needed], FIRST_READ as u64)?;
        }
        let records = bytes[..length.min(needed)].get(HEADER..).unwrap_or_default();
        entries.extend(records.chunks_exact(RECORD).filter_map(Entry::decode));
        // A removal moves the last record into the hole; a crash before the header is written leaves it in both places.
        if let Some((last, others)) = entries.split_last()
            && others.iter().any(|other| other.request == last.request)
        {
            entries.pop();
        }
        let damaged = entries.len() != header.count as usize;
        *self = Self { bytes, header, entries, damaged };
        Ok(())
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.header.epoch
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn find(&self, request: RequestId) -> Option<usize> {
        self.entries.iter().position(|e| e.request == request)
    }

    /// The number a request that asks now gets.
    pub(crate) fn number_now(&self) -> u64 {
        self.header.next_ticket.max(wall_clock_us())
    }

    /// Puts a ticket at the end of the file and makes sure that no later one gets its number. Its slot.
    pub(crate) fn append(&mut self, file: &File, entry: Entry) -> io::Result<usize> {
        self.entries.push(entry);
        self.header.next_ticket = self.header.next_ticket.max(entry.ticket.saturating_add(1));
        let slot = self.entries.len() - 1;
        let written = self.write_slots(file, slot, slot).and_then(|()| self.write_header(file));
        if written.is_err() {
            self.entries.pop();
            self.damaged = true;
        }
        written.map(|()| slot)
    }

    /// Takes out one ticket: the last one moves into the hole.
    pub(crate) fn remove(&mut self, file: &File, index: usize) -> io::Result<Entry> {
        let removed = self.entries.swap_remove(index);
        if index < self.entries.len() {
            self.write_slots(file, index, index)?;
        }
        self.write_header(file)?;
        Ok(removed)
    }

    /// Takes out all tickets that `gone` names. How many.
    pub(crate) fn remove_all(&mut self, file: &File, gone: impl Fn(&Entry) -> bool) -> io::Result<usize> {
        let before = self.entries.len();
        for index in (0..before).rev() {
            if gone(&self.entries[index]) {
                self.remove(file, index)?;
            }
        }
        Ok(before - self.entries.len())
    }

    /// Changes the tickets that `change` says it changed, with one write over their span and one of the header.
    pub(crate) fn update(&mut self, file: &File, mut change: impl FnMut(&mut Entry) -> bool) -> io::Result<()> {
        let mut span: Option<(usize, usize)> = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if change(entry) {
                span = Some((span.map_or(index, |(first, _)| first), index));
            }
        }
        let Some((first, last)) = span else { return Ok(()) };
        self.write_slots(file, first, last)?;
        self.write_header(file)
    }

    fn write_slots(&mut self, file: &File, first: usize, last: usize) -> io::Result<()> {
        if self.damaged {
            return self.write_whole(file);
        }
        let bytes: Vec<u8> = self.entries[first..=last].iter().flat_map(Entry::encode).collect();
        dir::write_at(file, &bytes, (HEADER + first * RECORD) as u64)
    }

    fn write_header(&mut self, file: &File) -> io::Result<()> {
        if self.damaged {
            return self.write_whole(file);
        }
        self.sum_up();
        dir::write_at(file, &self.header.encode(), 0)
    }

    /// What the header says of the entries.
    fn sum_up(&mut self) {
        self.header.count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        // Who rests may run again by now, and then it has its place: only a look at the whole line tells.
        let next = turn::next_awake(&self.entries).filter(|_| self.entries.iter().all(Entry::is_awake));
        self.header.head = next.map_or(0, |next| self.entries[next].ticket);
    }

    fn write_whole(&mut self, file: &File) -> io::Result<()> {
        self.sum_up();
        let records: Vec<u8> = self.entries.iter().flat_map(Entry::encode).collect();
        dir::write_at(file, &records, HEADER as u64)?;
        dir::write_at(file, &self.header.encode(), 0)?;
        self.damaged = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lock_core::Priority;

    use super::*;
    use crate::entry::Rest;

    fn entry(ticket: u64) -> Entry {
        Entry {
            ticket,
            request: RequestId(u128::from(ticket) << 70 | 5),
            process: !ticket,
            since_us: 7,
            pid: 8,
            start: 9,
            passed: 3,
            label: 2,
            priority: Priority::Urgent,
            rest: if ticket.is_multiple_of(2) { Rest::Awake } else { Rest::Stopped },
        }
    }

    fn with(tickets: std::ops::Range<u64>) -> (File, Line) {
        let file = tempfile::tempfile().unwrap();
        let mut line = Line::read(&file).unwrap();
        for ticket in tickets {
            line.append(&file, entry(ticket)).unwrap();
        }
        (file, line)
    }

    fn tickets(file: &File) -> Vec<u64> {
        let mut tickets: Vec<u64> = Line::read(file).unwrap().entries().iter().map(|e| e.ticket).collect();
        tickets.sort_unstable();
        tickets
    }

    #[test]
    fn keeps_what_is_put_in_and_forgets_what_is_taken_out() {
        let (file, mut line) = with(0..200);
        assert_eq!(Line::read(&file).unwrap().entries(), (0..200).map(entry).collect::<Vec<_>>());
        line.remove(&file, 0).unwrap();
        line.remove_all(&file, |e| (10..190).contains(&e.ticket)).unwrap();
        assert_eq!(tickets(&file), (1..10).chain(190..200).collect::<Vec<_>>());
        line.update(&file, |e| std::mem::replace(&mut e.passed, 9) != 9).unwrap();
        assert!(Line::read(&file).unwrap().entries().iter().all(|e| e.passed == 9));
    }

    #[test]
    fn a_crash_between_the_two_writes_of_a_removal_leaves_no_ticket_twice() {
        let (file, mut line) = with(1..5);
        line.entries[0] = line.entries[3];
        line.write_slots(&file, 0, 0).unwrap();
        assert_eq!(tickets(&file), [2, 3, 4]);
    }

    #[test]
    fn a_damaged_record_costs_only_itself_and_a_damaged_header_starts_a_new_epoch() {
        let (file, line) = with(1..4);
        dir::write_at(&file, b"garbage", (HEADER + RECORD + 9) as u64).unwrap();
        assert_eq!(tickets(&file), [1, 3]);
        for damage in [&b"garbage"[..], &[0; 64]] {
            dir::write_at(&file, damage, 0).unwrap();
            let mut rebuilt = Line::read(&file).unwrap();
            assert!(rebuilt.entries().is_empty() && rebuilt.epoch() != line.epoch());
            rebuilt.append(&file, entry(7)).unwrap();
            assert_eq!(tickets(&file), [7]);
        }
        file.set_len(100).unwrap();
        assert_eq!(tickets(&file), Vec::<u64>::new(), "truncated inside the first record");
    }

    /// Not a promise but a guard against a read that grows out of proportion: the real figure is tens of microseconds.
    #[test]
    fn a_thousand_tickets_are_read_in_a_moment() {
        let (file, _) = with(0..1000);
        let read = |_| {
            let began = lock_core::Moment::now();
            assert_eq!(Line::read(&file).unwrap().entries().len(), 1000);
            began.elapsed()
        };
        // The least: a busy machine can only add.
        let each = (0..100).map(read).min().unwrap();
        println!("1000 tickets read in {each:?}");
        assert!(each < std::time::Duration::from_millis(5), "{each:?}");
    }

    #[test]
    fn numbers_grow_past_every_ticket_put_back() {
        let (file, mut line) = with(0..0);
        let high = line.number_now() + 1_000_000_000;
        line.append(&file, entry(high)).unwrap();
        assert!(Line::read(&file).unwrap().number_now() > high);
    }
}
