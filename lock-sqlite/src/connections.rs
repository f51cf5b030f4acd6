//! The connections of one client, beside those of the other clients in this process.
//!
//! SQLite shares a log's index among all connections of a process for as long as one of them is open. When log or index
//! were deleted, all must leave the old one before any opens anew: else it would read a new log by an old index.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use lock_core::Moment;

use crate::{
    error::Trouble,
    store::{Database, Opened, Writer, lock},
};

/// How often is looked whether another client has ended its transaction: those take a fraction of a millisecond.
const LOOK_AGAIN_AFTER: Duration = Duration::from_micros(200);

/// All clients of this process, by their databases.
static CLIENTS: Mutex<Vec<(PathBuf, Weak<Connections>)>> = Mutex::new(Vec::new());

/// What one client has open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Locked through a whole transaction, and while the database is opened.
    pub(crate) write: Mutex<Option<Writer>>,
    /// Its own, so that a look never waits for who waits to write.
    pub(crate) read: Mutex<Option<Database>>,
    /// What both are to. Set while they are open.
    pub(crate) opened: Mutex<Option<Arc<Opened>>>,
}

impl Connections {
    /// Those of a new client.
    pub(crate) fn to(path: &Path) -> Arc<Self> {
        let connections = Arc::new(Self::default());
        let mut clients = lock(&CLIENTS);
        clients.retain(|(_, client)| client.strong_count() > 0);
        clients.push((path.to_owned(), Arc::downgrade(&connections)));
        connections
    }

    /// Closes them.
    pub(crate) fn close(&self, writer: &mut Option<Writer>) {
        // First: a look that begins opens nothing any more.
        *lock(&self.opened) = None;
        *lock(&self.read) = None;
        *writer = None;
    }

    /// Closes those of the other clients that are to files which were deleted or replaced. Blocks while one is in the middle
    /// of a transaction.
    pub(crate) fn close_others_old(&self, path: &Path, until: Moment) -> Result<(), Trouble> {
        let others: Vec<Arc<Self>> = {
            let clients = lock(&CLIENTS);
            let of_path = clients.iter().filter(|(of, _)| of == path);
            of_path.filter_map(|(_, client)| client.upgrade()).filter(|client| !std::ptr::eq(&**client, self)).collect()
        };
        for other in others {
            while other.are_old()? {
                // Who waits to open the database holds this lock, and has closed everything before.
                match other.write.try_lock() {
                    Ok(mut writer) => other.close(&mut writer),
                    Err(_) if until.is_past() => return Err(Trouble::OldClient { path: path.to_owned() }),
                    Err(_) => std::thread::sleep(LOOK_AGAIN_AFTER),
                }
            }
        }
        Ok(())
    }

    fn are_old(&self) -> Result<bool, Trouble> {
        let opened = lock(&self.opened).clone();
        opened.map_or(Ok(false), |opened| opened.is_in_place().map(|in_place| !in_place))
    }
}
