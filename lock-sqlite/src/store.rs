//! The database as this process has it open: one connection that writes, one that reads, and the flock'd files beside it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use lock_core::{
    Moment,
    dir::{self, Dir, FileId},
};
use rusqlite::Connection;

use crate::{
    baton::{Baton, Batons},
    busy,
    config::SqliteConfig,
    connection,
    connections::Connections,
    error::Trouble,
    layout,
};

/// How often files may be replaced under us before we give up.
pub(crate) const REPLACED_MAX: usize = 10;

/// One database for all keys.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) config: SqliteConfig,
    /// Without links in any part of it.
    pub(crate) path: PathBuf,
    folder: PathBuf,
    /// The database's name in the folder.
    pub(crate) name: String,
    pub(crate) connections: Arc<Connections>,
    /// How often it was opened.
    openings: AtomicU64,
    /// Something in it could not be read: it is looked at as a whole at the next opening.
    pub(crate) suspect: AtomicBool,
}

/// Which files are open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: FileId,
    pub(crate) batons: Batons,
    pub(crate) batons_id: FileId,
    /// Differs each time the database was opened.
    pub(crate) opening: u64,
    path: PathBuf,
    /// SQLite's log and its index. Whoever goes on with others than everybody else has a database of its own.
    beside: [(PathBuf, FileId); 2],
}

/// A connection, and which database it is to.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) opened: Arc<Opened>,
}

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) database: Database,
    /// For the next grant, made before the transaction that needs it.
    pub(crate) spare: Option<Baton>,
}

impl Opened {
    /// Whether the paths still name the files that are open. By whole paths: a replaced folder shows too.
    pub(crate) fn is_in_place(&self) -> Result<bool, Trouble> {
        let files = [(&self.path, self.id)].into_iter().chain(self.beside.iter().map(|(path, id)| (path, *id)));
        for (path, id) in files {
            if dir::id_at(path)? != Some(id) {
                return Ok(false);
            }
        }
        Ok(dir::id_at(self.batons.folder().path())? == Some(self.batons_id))
    }
}

impl Store {
    /// Opens the database, making it where it is missing.
    pub(crate) fn open(config: SqliteConfig) -> Result<Self, Trouble> {
        let given = std::path::absolute(&config.path).map_err(Trouble::io("find", &config.path))?;
        let (Some(above), Some(name)) = (given.parent(), given.file_name().and_then(OsStr::to_str)) else {
            return Err(Trouble::NotOurs { path: given, what: "no path of a file in UTF-8" });
        };
        Dir::open_or_create(above)?;
        let folder = above.canonicalize().map_err(Trouble::io("find", above))?;
        let path = folder.join(name);
        let store = Self {
            connections: Connections::to(&path),
            path,
            name: name.to_owned(),
            folder,
            config,
            openings: AtomicU64::new(0),
            suspect: AtomicBool::new(false),
        };
        store.ensure_open(Moment::now() + busy::BUSY_MAX)?;
        Ok(store)
    }

    /// The folder of the database, checked; made where it is missing.
    pub(crate) fn gates(&self) -> Result<Dir, Trouble> {
        Ok(Dir::open_or_create(&self.folder)?)
    }

    /// What SQLite keeps beside the database.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", self.name))
    }

    /// What is open, if the paths still name it.
    pub(crate) fn opened(&self) -> Result<Option<Arc<Opened>>, Trouble> {
        let opened = lock(&self.connections.opened).clone();
        match opened {
            Some(opened) if opened.is_in_place()? => Ok(Some(opened)),
            _ => Ok(None),
        }
    }

    /// Opens the database anew where that is needed. Blocks.
    pub(crate) fn ensure_open(&self, until: Moment) -> Result<(), Trouble> {
        self.open_writer(&mut lock(&self.connections.write), until)
    }

    fn open_writer(&self, writer: &mut Option<Writer>, until: Moment) -> Result<(), Trouble> {
        if let Some(writer) = writer
            && writer.database.opened.is_in_place()?
            && !self.suspect.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        self.connections.close(writer);
        let (connection, id, batons) = self.open_files(until)?;
        let batons_id = named(batons.folder().path())?;
        let [log, index] = [layout::LOG, layout::INDEX].map(|suffix| self.beside(suffix));
        let beside = [(log.clone(), named(&log)?), (index.clone(), named(&index)?)];
        let opening = self.openings.fetch_add(1, Ordering::Relaxed) + 1;
        let opened = Arc::new(Opened { id, batons, batons_id, opening, path: self.path.clone(), beside });
        *lock(&self.connections.opened) = Some(Arc::clone(&opened));
        *writer = Some(Writer { database: Database { connection, opened }, spare: None });
        Ok(())
    }

    /// The open writer, to itself. Blocks.
    pub(crate) fn writer(&self, until: Moment) -> Result<MutexGuard<'_, Option<Writer>>, Trouble> {
        let mut writer = lock(&self.connections.write);
        self.open_writer(&mut writer, until)?;
        Ok(writer)
    }

    /// Begins a change and gives it up: whether the database can be written. Blocks.
    pub(crate) fn touch(&self, until: Moment) -> Result<(), Trouble> {
        let writer = self.writer(until)?;
        let Some(writer) = &*writer else { return Err(Trouble::Background) };
        let try_out = || writer.database.connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
        busy::patiently(&self.path, "write to", until, try_out)
    }

    /// The writer, if it is open, in place and free in a moment.
    pub(crate) fn try_writer(&self) -> Result<Option<MutexGuard<'_, Option<Writer>>>, Trouble> {
        let mut tries = 0..busy::QUICK_TRIES;
        let writer = loop {
            match self.connections.write.try_lock() {
                Ok(writer) => break writer,
                Err(TryLockError::Poisoned(writer)) => break writer.into_inner(),
                Err(TryLockError::WouldBlock) if tries.next().is_some() => std::thread::yield_now(),
                Err(TryLockError::WouldBlock) => return Ok(None),
            }
        };
        let usable = match &*writer {
            Some(open) => open.database.opened.is_in_place()? && !self.suspect.load(Ordering::Relaxed),
            None => false,
        };
        Ok(usable.then_some(writer))
    }

    /// Reads something. A look, for a moment: `None` where it would have to wait, or to open the database first.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Database) -> Result<T, Trouble>) -> Result<Option<T>, Trouble> {
        let mut slot = lock(&self.connections.read);
        let Some(opened) = self.opened()? else { return Ok(None) };
        if slot.as_ref().is_none_or(|read| read.opened.opening != opened.opening) {
            *slot = None;
            let connection = connection::open(&self.path)?;
            connection::set_up(&connection, &self.path, Moment::now())?;
            *slot = Some(Database { connection, opened });
        }
        let Some(database) = &*slot else { return Ok(None) };
        match look(database) {
            Err(trouble) if trouble.is_busy() => Ok(None),
            Err(trouble) => Err(self.note(trouble)),
            found => found.map(Some),
        }
    }

    /// Reads something, however long that takes. Blocks.
    pub(crate) fn read_patiently<T>(
        &self,
        until: Moment,
        look: impl Fn(&Database) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let began = Moment::now();
        loop {
            if let Some(found) = self.read(&look)? {
                return Ok(found);
            }
            self.ensure_open(until)?;
            if until.is_past() {
                return Err(Trouble::Busy { path: self.path.clone(), waited: began.elapsed() });
            }
            std::thread::yield_now();
        }
    }

    /// Remembers a database that cannot be read any more: it is made anew at the next use.
    pub(crate) fn note(&self, trouble: Trouble) -> Trouble {
        if trouble.is_damage() {
            self.suspect.store(true, Ordering::Relaxed);
        }
        trouble
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(spare) = self.spare.take() {
            spare.let_go();
            self.database.opened.batons.discard(layout::Kind::Lease, &spare);
        }
    }
}

fn named(path: &Path) -> Result<FileId, Trouble> {
    dir::id_at(path)?.ok_or_else(|| Trouble::unsteady(path))
}

/// The value behind a mutex: what a panicking thread left is still whole, each change being one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
