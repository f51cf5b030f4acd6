//! The threads that sleep in the kernel for the tasks of this process.
//!
//! For each key at most one sleeps as the head, on the baton of the lease ahead, and one on the file of the process ahead.
//! Where a new ticket of ours jumps ahead, the one that sleeps further back is left there and another one is started; it
//! finds nothing to do when it wakes. What they wake with decides nothing: the rows do.

use std::{fs::File, sync::Arc};

use lock_core::{
    dir::FileId,
    flock,
    turn::{Turn, turn},
};

use crate::{baton::Life, change::Change, entry::Entry, error::Trouble, key::Key, layout::Kind};

/// How many threads may sleep for one key. One more is started each time a ticket of ours jumps ahead of where the others
/// sleep; there are four priorities, and beyond that the sweep finds out.
const SLEEPERS_MAX: usize = 4;

/// Room for the stack of a thread that runs SQLite's statements and logs.
const STACK_BYTES: usize = 256 * 1024;

/// What a thread does outside the transaction.
enum Sleep {
    /// Nothing: no ticket, or another thread does it.
    Done,
    /// A ticket was granted at once; look again.
    Again,
    /// As the head, on the baton of the lease ahead.
    AsHead(File, u64),
    /// On the file of the process ahead.
    Behind(File, FileId),
}

impl Change<'_> {
    /// Makes sure that a thread of this process sleeps where it is woken in time.
    pub(crate) fn ensure_sleeper(&mut self, line: &mut Vec<Entry>) -> Result<(), Trouble> {
        let record = self.record()?;
        let process = {
            let table = self.key.table();
            if table.starting || (table.baton_sleeper.is_some() && table.baton_sleeper == record.map(|r| r.baton)) {
                return Ok(());
            }
            table.process()
        };
        match turn(line, process) {
            Turn::None => Ok(()),
            Turn::Head(_) => self.start(),
            Turn::Behind { ahead, .. } => {
                let ahead = self.sweep_if_dead(line, line[ahead].process)?;
                let table = self.key.table();
                let sleeps = matches!(ahead, Some(Life::Alive(_, id)) if table.sleepers.contains(&id));
                if sleeps || table.sleepers.len() >= SLEEPERS_MAX {
                    return Ok(());
                }
                drop(table);
                self.start()
            }
        }
    }

    fn start(&self) -> Result<(), Trouble> {
        let Some(key) = self.key.shared() else { return Ok(()) };
        self.key.table().starting = true;
        let builder = std::thread::Builder::new().name("talkstick-wait".to_owned()).stack_size(STACK_BYTES);
        let started = builder.spawn(move || run(&key));
        started.map(drop).map_err(|source| {
            self.key.table().starting = false;
            Trouble::io("start a thread to wait at", &self.key.store.path)(source)
        })
    }

    /// Where to sleep now, or the grant itself when the lock is free.
    fn next_sleep(&mut self) -> Result<Sleep, Trouble> {
        self.key.table().starting = false;
        loop {
            let mut line = self.near()?;
            let process = self.key.table().process();
            match turn(&line, process) {
                Turn::None => return Ok(Sleep::Done),
                Turn::Head(index) => {
                    if let Some(sleep) = self.sleep_or_take(&mut line, index)? {
                        return Ok(sleep);
                    }
                }
                Turn::Behind { ahead, ours } => {
                    self.step_back_for_aged(&line, ours);
                    let ahead = line[ahead].process;
                    let Some(Life::Alive(file, id)) = self.sweep_if_dead(&mut line, ahead)? else { continue };
                    return Ok(Sleep::Behind(file, id));
                }
            }
        }
    }

    /// `None` when somebody runs again that was stopped when the line was read, and may go first. Asked when the lock is known to
    /// be free: who ran again before the last release goes before who takes the lock behind that.
    fn sleep_or_take(&mut self, line: &mut Vec<Entry>, index: usize) -> Result<Option<Sleep>, Trouble> {
        let record = self.record()?;
        if let Some(record) = &record
            && let Life::Alive(file, _) = self.batons().life(Kind::Lease, record.baton)?
        {
            return Ok(Some(Sleep::AsHead(file, record.baton)));
        }
        if self.wake_who_runs(line)? {
            return Ok(None);
        }
        self.grant_ticket(record, line, index)?;
        Ok(Some(Sleep::Again))
    }
}

/// One thread, until nobody needs it.
fn run(key: &Arc<Key>) {
    loop {
        match step(key) {
            Ok(true) => {}
            Ok(false) => return,
            Err(trouble) => return fail(key, trouble),
        }
    }
}

fn step(key: &Key) -> Result<bool, Trouble> {
    match key.change(|change| change.next_sleep())? {
        Sleep::Done => return Ok(false),
        Sleep::Again => {}
        Sleep::AsHead(file, baton) => {
            if key.table().baton_sleeper.replace(baton) == Some(baton) {
                return Ok(false);
            }
            tracing::debug!(key = %key.name, "next in line: asleep until the holder lets go");
            let slept = sleep_on(key, &file);
            let mut table = key.table();
            table.baton_sleeper = table.baton_sleeper.filter(|&sleeping| sleeping != baton);
            drop(table);
            slept?;
            tracing::debug!(key = %key.name, "woken: the holder has let go");
        }
        Sleep::Behind(file, id) => {
            if key.table().sleepers.contains(&id) {
                return Ok(false);
            }
            key.table().sleepers.push(id);
            tracing::debug!(key = %key.name, "in line: asleep until the one ahead moves");
            let slept = sleep_on(key, &file);
            key.table().sleepers.retain(|&sleeping| sleeping != id);
            slept?;
            tracing::debug!(key = %key.name, "woken: the one ahead has moved");
        }
    }
    Ok(true)
}

/// Sleeps until the file's process lets go of it or dies. Shared, so that many can, and one that is stopped right then
/// keeps nothing from anybody.
fn sleep_on(key: &Key, file: &File) -> Result<(), Trouble> {
    flock::shared(file).map_err(Trouble::io("wait at", &key.store.path))
}

/// Tells the tasks that wait: what is unknown is no lock, and no waiting either.
fn fail(key: &Key, trouble: Trouble) {
    tracing::error!(key = %key.name, error = %trouble, "the thread that waits for the lock failed");
    let trouble = Arc::new(trouble);
    let mut table = key.table();
    table.starting = false;
    for ticket in table.tickets.values_mut().filter(|t| !t.granted) {
        ticket.fault = Some(Arc::clone(&trouble));
        ticket.ring.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use lock_core::{Entered, RequestId, conformance::request, turn::InLine};

    use super::*;
    use crate::{
        entry::Rest,
        testing::{holds, keys, waits},
    };

    /// The line as it was read while the process of the first ticket was stopped.
    fn with_the_first_stopped(change: &mut Change<'_>) -> Vec<Entry> {
        let mut line = change.line().unwrap();
        line[0].rest = Rest::Stopped;
        let (db, key) = (&change.database().connection, &change.key.name);
        crate::queries::set_rest(db, key, line[0].ticket, line[0].rest).unwrap();
        assert!(!line[0].is_awake());
        line
    }

    /// It runs again, and then the holder lets go, between a look at the line and the look at the lease.
    #[test]
    fn who_runs_again_right_before_the_release_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, second] = keys(folder.path());
        holds(&holder, 1);
        waits(&first, 2);
        // No thread of its own: the test does what it would.
        second.table().starting = true;
        waits(&second, 3);
        second
            .change(|change| {
                let mut line = with_the_first_stopped(change);
                let index = line.iter().position(|entry| entry.request == RequestId(3)).unwrap();
                holder.let_go(RequestId(1), None);
                assert!(change.sleep_or_take(&mut line, index)?.is_none() && line[0].is_awake());
                Ok(())
            })
            .unwrap();
        second.abandon(RequestId(3));
        first.abandon(RequestId(2));
    }

    #[test]
    fn who_runs_again_right_before_the_release_goes_before_a_newcomer() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, newcomer] = keys(folder.path());
        holds(&holder, 1);
        waits(&first, 2);
        let entered = newcomer.change(|change| {
            let line = with_the_first_stopped(change);
            holder.let_go(RequestId(1), None);
            change.enter_line(line, &request(3))
        });
        assert!(matches!(entered.unwrap(), Entered::Queued(..)));
        newcomer.abandon(RequestId(3));
        first.abandon(RequestId(2));
    }
}
