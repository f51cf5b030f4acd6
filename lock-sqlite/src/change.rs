//! A change of one key: one transaction, and what this process does when it stands.
//!
//! What the table of this process says is changed after the commit, so a transaction that fails leaves nothing to be
//! taken back but files.

use std::sync::{Arc, MutexGuard};

use lock_core::{Moment, RequestId, background};

use crate::{
    baton::{Baton, Batons},
    busy,
    error::Trouble,
    key::{HeldLease, Key, Waiting},
    layout::Kind,
    schema,
    store::{Database, REPLACED_MAX, Writer},
};

/// The transaction, as its steps see it.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: &'a Key,
    pub(crate) writer: &'a mut Writer,
    pub(crate) effects: Effects,
}

/// What this process does once the transaction stands.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// A grant: to a newcomer, or to a ticket of ours that stood in line.
    pub(crate) lease: Option<(HeldLease, bool)>,
    pub(crate) queued: Option<Waiting>,
    pub(crate) gone: Option<RequestId>,
    pub(crate) wake: WakeMove,
    /// A lease file that has served.
    pub(crate) bury: Option<u64>,
    /// Look for what dead processes left.
    pub(crate) sweep: bool,
}

/// What becomes of our place in line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WakeMove {
    /// It stays.
    #[default]
    Keep,
    /// Who sleeps behind it wakes, and we go on waiting under a new file.
    Replace,
    /// Who sleeps behind it wakes: our last ticket is gone.
    Remove,
}

impl WakeMove {
    /// After a ticket of ours left the line: whether others of ours are still in it, and one of them has its place now.
    pub(crate) const fn without(others_are_ours: bool, keeps_place: bool) -> Self {
        match (others_are_ours, keeps_place) {
            (false, _) => Self::Remove,
            (true, true) => Self::Keep,
            (true, false) => Self::Replace,
        }
    }
}

type Step<'a, T> = dyn FnMut(&mut Change<'_>) -> Result<T, Trouble> + Send + 'a;

impl Change<'_> {
    pub(crate) fn database(&self) -> &Database {
        &self.writer.database
    }

    pub(crate) fn batons(&self) -> &Batons {
        &self.writer.database.opened.batons
    }

    /// Names the step and the database in an error of SQLite's.
    pub(crate) fn sql(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> Trouble + use<> {
        Trouble::sql(action, &self.key.store.path)
    }
}

impl Key {
    /// Runs a change: here and now, unless another one has the database for longer than it should. Then a thread of the
    /// background runtime waits for it, which runs on when the future is dropped.
    ///
    /// Not a thread of the store's own: nearly every change is over in a fraction of a millisecond, less than the two
    /// switches to such a thread and back would take.
    pub(crate) async fn changed<T: Send + 'static>(
        self: &Arc<Self>,
        mut step: impl FnMut(&mut Change<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let until = Moment::now() + busy::BUSY_MAX;
        if let Some(mut writer) = self.store.try_writer()? {
            match self.try_in(&mut writer, None, &mut step) {
                Ok(Some(done)) => return self.settled(writer, done),
                Ok(None) => {}
                // Made anew, which takes its time.
                Err(trouble) if trouble.is_damage() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let key = Arc::clone(self);
        let background = background::handle().map_err(|_| Trouble::Background)?;
        let waiting = background.spawn_blocking(move || key.change_until(until, &mut step));
        waiting.await.map_err(|_| Trouble::Background)?
    }

    /// Runs a change, however long it has to wait for it. Blocks.
    pub(crate) fn change<T>(
        &self,
        mut step: impl FnMut(&mut Change<'_>) -> Result<T, Trouble> + Send,
    ) -> Result<T, Trouble> {
        self.change_until(Moment::now() + busy::BUSY_MAX, &mut step)
    }

    fn change_until<T>(&self, until: Moment, step: &mut Step<'_, T>) -> Result<T, Trouble> {
        for _ in 0..REPLACED_MAX {
            let mut writer = self.store.writer(until)?;
            match self.try_in(&mut writer, Some(until), step) {
                Ok(Some(done)) => return self.settled(writer, done),
                // Replaced under us.
                Ok(None) => {}
                // It is made anew, and then the step can be done there.
                Err(trouble) if trouble.is_damage() && !until.is_past() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::unsteady(&self.store.path))
    }

    /// One attempt. `None` when the database was replaced, or where it must not wait, is busy.
    fn try_in<T>(
        &self,
        writer: &mut Option<Writer>,
        until: Option<Moment>,
        step: &mut Step<'_, T>,
    ) -> Result<Option<(T, Effects)>, Trouble> {
        let Some(writer) = writer else { return Ok(None) };
        let result = self.attempt(writer, until, step);
        if !writer.database.connection.is_autocommit()
            && let Err(error) = writer.database.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back; it ends with its connection");
        }
        result.map_err(|trouble| self.store.note(trouble))
    }

    fn attempt<T>(
        &self,
        writer: &mut Writer,
        until: Option<Moment>,
        step: &mut Step<'_, T>,
    ) -> Result<Option<(T, Effects)>, Trouble> {
        let path = &self.store.path;
        if writer.spare.is_none() {
            // Before the transaction: others wait for that.
            writer.spare = Some(writer.database.opened.batons.prepare(Kind::Lease)?);
        }
        let begin = || writer.database.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop);
        match until {
            Some(until) => busy::begin_in_turn(&writer.database.connection, path, until, begin)?,
            None if busy::briefly(begin).map_err(Trouble::sql("begin a transaction in", path))?.is_none() => {
                return Ok(None);
            }
            None => {}
        }
        if !writer.database.opened.is_in_place()? {
            return Ok(None);
        }
        schema::refuse_newer(&writer.database.connection, path)?;
        let had_place = self.table().wake.is_some();
        let mut change = Change { key: self, writer, effects: Effects::default() };
        let stepped = step(&mut change);
        let effects = std::mem::take(&mut change.effects);
        let connection = &writer.database.connection;
        let committed = stepped.and_then(|done| {
            let commit = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
            commit.map_err(Trouble::sql("write to", path)).map(|_| done)
        });
        match committed {
            Ok(done) => Ok(Some((done, effects))),
            Err(trouble) => {
                self.undo(&writer.database.opened.batons, effects, had_place);
                Err(trouble)
            }
        }
    }

    /// Takes back the files of a transaction that did not come to stand.
    fn undo(&self, batons: &Batons, effects: Effects, had_place: bool) {
        if let Some((held, _)) = effects.lease {
            held.baton.let_go();
            batons.bury(Kind::Lease, held.baton.number);
        }
        let place = self.table().wake.take_if(|_| !had_place);
        if let Some(place) = place {
            place.let_go();
            batons.bury(Kind::Line, place.number);
        }
    }

    /// Does what follows the commit: first the table, while nobody else can change the line; then, with the database free,
    /// the wakes.
    fn settled<T>(&self, writer: MutexGuard<'_, Option<Writer>>, (done, effects): (T, Effects)) -> Result<T, Trouble> {
        let Some(opened) = writer.as_ref().map(|writer| Arc::clone(&writer.database.opened)) else {
            return Err(Trouble::Background);
        };
        let batons = &opened.batons;
        self.tell(effects.lease, effects.queued, effects.gone);
        let (woken, left) = self.move_place(batons, effects.wake);
        drop(writer);
        if let Some(place) = woken {
            place.let_go();
        }
        for (kind, number) in left.map(|n| (Kind::Line, n)).into_iter().chain(effects.bury.map(|n| (Kind::Lease, n))) {
            batons.bury(kind, number);
        }
        if effects.sweep
            && let Err(error) = batons.sweep()
        {
            tracing::debug!(%error, "what dead processes left stays");
        }
        Ok(done)
    }

    /// Brings the table up to what the database says.
    fn tell(&self, lease: Option<(HeldLease, bool)>, queued: Option<Waiting>, gone: Option<RequestId>) {
        let mut table = self.table();
        if let Some(waiting) = queued {
            table.tickets.insert(waiting.request.id, waiting);
        }
        if let Some(request) = gone {
            table.tickets.remove(&request);
        }
        let Some((held, stood_in_line)) = lease else { return };
        let request = held.lease.request;
        match table.tickets.get_mut(&request) {
            Some(ticket) => {
                ticket.granted = true;
                ticket.ring.notify_one();
            }
            // Withdrawn while the database could not be reached to say so; nobody has seen the lease.
            None if stood_in_line => return held.baton.let_go(),
            None => {}
        }
        table.leases.insert(request, held);
    }

    /// The file whose sleepers wake now, and the number of a place that is left for good.
    fn move_place(&self, batons: &Batons, wake: WakeMove) -> (Option<Baton>, Option<u64>) {
        let mut table = self.table();
        let table = &mut *table;
        match (wake, &mut table.wake) {
            (WakeMove::Keep, _) | (_, None) => (None, None),
            (WakeMove::Replace, Some(place)) => match batons.replace(Kind::Line, place) {
                Ok(old) => (Some(old), None),
                Err(error) => {
                    // To let the old one go alone would end our own tickets.
                    tracing::warn!(%error, key = %self.name, "the next in line wakes at its sweep only");
                    (None, None)
                }
            },
            (WakeMove::Remove, place) => {
                let place = place.take();
                table.yielded.clear();
                let number = place.as_ref().map(|place| place.number);
                (place, number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use lock_core::conformance::request;
    use tokio::sync::Notify;

    use super::*;
    use crate::testing::keys;

    /// The database cannot be reached to say so, and a grant that was under way comes to stand at any instant of it.
    #[test]
    fn a_ticket_that_is_granted_while_it_is_abandoned_leaves_no_lease() {
        let folder = tempfile::tempdir().unwrap();
        let [key] = keys(folder.path());
        let request = request(1);
        key.change(|change| change.enter(&request)).unwrap();
        let held = key.table().leases.remove(&request.id).unwrap();
        let (number, granted, fault) = (held.lease.ticket, false, None);
        for round in 0..3000 {
            let ring = Arc::new(Notify::new());
            let waiting =
                Waiting { request: request.clone(), number, since_us: 0, granted, fault: fault.clone(), ring };
            key.table().tickets.insert(request.id, waiting);
            let (held, ready) = (held.clone(), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    ready.store(true, Ordering::Release);
                    key.tell(Some((held, true)), None, None);
                });
                // Awake when it comes, and then a little later each time.
                while !ready.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                (0..round % 100).for_each(|_| std::hint::spin_loop());
                key.abandon(request.id);
            });
            let table = key.table();
            assert!(table.leases.is_empty() && table.tickets.is_empty(), "round {round}: nobody will let go of it");
        }
    }
}
