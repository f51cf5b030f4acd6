//! Making the database: at first, and anew when it was deleted or cannot be read any more.

use std::{
    fs::File,
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use lock_core::{
    Moment, NOTICE,
    dir::{Dir, FileId},
    filesystem, flock,
};
use rusqlite::Connection;

use crate::{
    baton::Batons,
    connection,
    error::Trouble,
    layout,
    schema::{self, Found},
    store::{REPLACED_MAX, Store, lock},
};

/// How often is looked whether another process has done with the files, or the last holder has let go. Seldom needed, and
/// each look is a system call or a few.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// One opening at a time in this process: a database that is being made is opened and closed as a plain file, and that
/// would drop the locks of SQLite's connections to it.
static OPENING: Mutex<()> = Mutex::new(());

impl Store {
    /// Opens the database, making or replacing it where that is needed.
    pub(crate) fn open_files(&self, until: Moment) -> Result<(Connection, FileId, Batons), Trouble> {
        let _one_at_a_time = lock(&OPENING);
        self.connections.close_others_old(&self.path, until)?;
        let gates = self.gates()?;
        if let Some(kind) = filesystem::network(&gates)? {
            return Err(Trouble::NetworkFileSystem { path: self.path.clone(), kind });
        }
        if gates.existing_folder(&layout::batons(&self.name))?.is_none() {
            self.refuse_foreign(&gates, until)?;
        }
        let batons = Batons::open(&gates, &self.name)?;
        let opening = batons.folder().file(layout::OPENING)?;
        self.wait_for(&opening, until)?;
        let opened = self.open_alone(&gates, &batons, until);
        if let Err(error) = flock::unlock(&opening) {
            tracing::error!(%error, "the opening of a database could not be unlocked; closing it must do");
        }
        opened.map(|(connection, id)| (connection, id, batons))
    }

    /// Refuses what was never ours before anything is put beside it.
    fn refuse_foreign(&self, gates: &Dir, until: Moment) -> Result<(), Trouble> {
        if gates.plain(&self.name)?.is_none() {
            return Ok(());
        }
        let connection = connection::open(&self.path)?;
        match self.unless_busy(until, || schema::look(&connection, &self.path)) {
            Err(trouble) if trouble.is_damage() => {
                Err(Trouble::NotOurs { path: self.path.clone(), what: "no database of talkstick" })
            }
            looked => looked.map(drop),
        }
    }

    fn wait_for(&self, opening: &File, until: Moment) -> Result<(), Trouble> {
        let began = Moment::now();
        while !flock::try_exclusive(opening).map_err(Trouble::io("lock the opening of", &self.path))? {
            if until.is_past() {
                return Err(Trouble::Busy { path: self.path.clone(), waited: began.elapsed() });
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
        Ok(())
    }

    /// Opens it while no other process does.
    fn open_alone(&self, gates: &Dir, batons: &Batons, until: Moment) -> Result<(Connection, FileId), Trouble> {
        for _ in 0..REPLACED_MAX {
            if self.suspect.load(Ordering::Relaxed) {
                self.judge(gates, batons, until)?;
                self.suspect.store(false, Ordering::Relaxed);
            }
            let id = match gates.plain(&self.name)? {
                Some(id) => id,
                None => self.make(gates)?,
            };
            // SQLite would follow a link here.
            let beside = |suffix| gates.plain(&format!("{}{suffix}", self.name));
            let (log, _index) = (beside(layout::LOG)?, beside(layout::INDEX)?);
            if log.is_none() {
                // We never take it away while a lease lives. Without it the database is an older one, and a new log is
                // not put beside it before the leases are over that it does not know.
                self.wait_for_holders(batons, until)?;
            }
            match self.connect(batons, until) {
                Ok(connection) if gates.plain(&self.name)? == Some(id) => return Ok((connection, id)),
                Ok(_replaced_meanwhile) => {}
                Err(trouble) if trouble.is_damage() => self.suspect.store(true, Ordering::Relaxed),
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::unsteady(&self.path))
    }

    fn make(&self, gates: &Dir) -> Result<FileId, Trouble> {
        // Made here and not by SQLite for its mode: this user's alone, or a group's. SQLite gives the log the same.
        drop(gates.file(&self.name)?);
        gates.plain(&self.name)?.ok_or_else(|| Trouble::unsteady(&self.path))
    }

    fn connect(&self, batons: &Batons, until: Moment) -> Result<Connection, Trouble> {
        let connection = connection::open(&self.path)?;
        // Before anything is changed in it: it may be another program's.
        let found = self.unless_busy(until, || schema::look(&connection, &self.path))?;
        connection::set_up(&connection, &self.path, until)?;
        if found == Found::Empty {
            self.wait_for_holders(batons, until)?;
        } else if schema::is_current(&connection, &self.path)? {
            return Ok(connection);
        }
        self.unless_busy(until, || schema::migrate(&connection, &self.path))?;
        Ok(connection)
    }

    fn unless_busy<T>(&self, until: Moment, mut step: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let began = Moment::now();
        loop {
            match step() {
                Err(trouble) if trouble.is_busy() && until.is_past() => {
                    return Err(Trouble::Busy { path: self.path.clone(), waited: began.elapsed() });
                }
                Err(trouble) if trouble.is_busy() => std::thread::sleep(LOOK_AGAIN_AFTER),
                done => return done,
            }
        }
    }

    /// Nothing is granted from a new database while a lease of a lost one lives.
    fn wait_for_holders(&self, batons: &Batons, until: Moment) -> Result<(), Trouble> {
        loop {
            match batons.sweep()? {
                0 => return Ok(()),
                held if until.is_past() => return Err(Trouble::StillHeld { path: self.path.clone(), held }),
                _ => std::thread::sleep(LOOK_AGAIN_AFTER),
            }
        }
    }

    /// Looks at the whole database, and if it is damaged gives it another name: it may be of use to somebody.
    fn judge(&self, gates: &Dir, batons: &Batons, until: Moment) -> Result<(), Trouble> {
        if gates.plain(&self.name)?.is_none() || !connection::is_damaged(&self.path, until)? {
            return Ok(());
        }
        self.wait_for_holders(batons, until)?;
        let damaged = layout::damaged(&self.name);
        // The log first: left behind, it would be taken for the new database's.
        for suffix in [layout::LOG, layout::INDEX, ""] {
            let name = format!("{}{suffix}", self.name);
            if gates.id_of(&name)?.is_some() {
                gates.rename(&name, &format!("{damaged}{suffix}"))?;
            }
        }
        let path = self.path.display();
        tracing::warn!(
            target: NOTICE,
            "the database {path} is damaged and is made anew; what is left of it is kept beside it as {damaged}"
        );
        Ok(())
    }
}
