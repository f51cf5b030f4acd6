//! Our own bounded patience with SQLITE_BUSY.
//!
//! SQLite's busy timeout is off: it knows no deadline of the caller's, and polls at fixed steps, so that two processes
//! can meet again and again.

use std::{
    hash::{BuildHasher, RandomState},
    path::Path,
    time::Duration,
};

use lock_core::Moment;
use rusqlite::{Connection, ErrorCode};

use crate::{error::Trouble, queries};

/// How long another one may keep the database before we give up. Our own transactions take a fraction of a millisecond;
/// and below the 5 s that callers are kept waiting for an answer, so that they get this one, which says more.
pub(crate) const BUSY_MAX: Duration = Duration::from_secs(4);

/// How long to wait for a turn while others have theirs: nobody keeps the database then, many want it. As long as callers
/// wait for a lock unless they say otherwise.
const CROWDED_MAX: Duration = Duration::from_secs(30);

/// So many tries at once, each giving way to others: transactions of ours are over by then.
pub(crate) const QUICK_TRIES: u32 = 20;
/// Then one try after each pause, which is this part of the whole wait so far, by chance between its half and its whole.
/// So a crowd of any size makes only a few tries in vain for each transaction of its members.
const PAUSE_PART: u32 = 8;
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// Whether another connection has what we need, for now.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Tries at once a few times; `None` where it stays busy. Safe on an async executor.
pub(crate) fn briefly<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    for _ in 0..QUICK_TRIES {
        match attempt() {
            Err(error) if is_busy(&error) => std::thread::yield_now(),
            done => return done.map(Some),
        }
    }
    Ok(None)
}

/// Tries until `until`. Blocks: not for async code.
pub(crate) fn patiently<T>(
    path: &Path,
    action: &'static str,
    until: Moment,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> Result<T, Trouble> {
    let began = Moment::now();
    match pausing(path, action, until, &mut attempt)? {
        Some(done) => Ok(done),
        None => Err(Trouble::Busy { path: path.to_owned(), waited: began.elapsed() }),
    }
}

/// Begins a transaction that writes. As [`patiently`], but for longer while others' transactions come to stand.
pub(crate) fn begin_in_turn(
    connection: &Connection,
    path: &Path,
    until: Moment,
    begin: impl FnMut() -> rusqlite::Result<()>,
) -> Result<(), Trouble> {
    within(CROWDED_MAX, connection, path, until, begin)
}

fn within(
    crowded_max: Duration,
    connection: &Connection,
    path: &Path,
    until: Moment,
    mut begin: impl FnMut() -> rusqlite::Result<()>,
) -> Result<(), Trouble> {
    const ACTION: &str = "begin a transaction in";
    let version = || briefly(|| queries::data_version(connection)).map_err(Trouble::sql("read", path));
    let (began, mut until) = (Moment::now(), until);
    loop {
        let before = version()?;
        if let Some(done) = pausing(path, ACTION, until, &mut begin)? {
            return Ok(done);
        }
        let (advances, waited, path) = (version()? != before, began.elapsed(), path.to_owned());
        match advances {
            false => return Err(Trouble::Busy { path, waited }),
            true if waited >= crowded_max => return Err(Trouble::Crowded { path, waited }),
            true => until = Moment::now() + BUSY_MAX,
        }
    }
}

/// Tries until `until`; `None` where it stays busy.
fn pausing<T>(
    path: &Path,
    action: &'static str,
    until: Moment,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> Result<Option<T>, Trouble> {
    if let Some(done) = briefly(&mut attempt).map_err(Trouble::sql(action, path))? {
        return Ok(Some(done));
    }
    let (began, chance) = (Moment::now(), RandomState::new());
    while !until.is_past() {
        let half = (began.elapsed() / PAUSE_PART).clamp(PAUSE_MIN, PAUSE_MAX) / 2;
        let part = u32::try_from(chance.hash_one(began.elapsed()) % 1024).unwrap_or(0);
        std::thread::sleep((half + half * part / 1024).min(until.remaining()));
        match attempt() {
            Err(error) if is_busy(&error) => {}
            done => return done.map(Some).map_err(Trouble::sql(action, path)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn busy() -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)
    }

    #[test]
    fn patience_ends_at_the_deadline_and_names_the_database() {
        let began = Moment::now();
        let outcome =
            patiently::<()>(Path::new("/x/locks"), "begin", began + Duration::from_millis(50), || Err(busy()));
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("/x/locks") && text.contains("fuser"), "{text}");
        assert!(began.elapsed() >= Duration::from_millis(50) && began.elapsed() < Duration::from_secs(2));
    }

    /// Whoever finds the database busy is told of another program only if nobody's transaction came to stand meanwhile.
    #[test]
    fn a_crowd_is_no_program_that_keeps_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let (ours, theirs) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        theirs.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        let began = Moment::now();
        let soon = || Moment::now() + Duration::from_millis(20);
        let crowd = |until_over: Duration| {
            theirs.execute_batch("INSERT INTO t VALUES (1)").unwrap();
            if began.elapsed() < until_over { Err(busy()) } else { Ok(()) }
        };
        begin_in_turn(&ours, &path, soon(), || crowd(Duration::from_millis(100))).expect("its turn comes");
        let told = within(Duration::ZERO, &ours, &path, soon(), || crowd(Duration::MAX)).unwrap_err().to_string();
        assert!(told.contains("so many processes") && told.contains("file backend"), "{told}");
        let told = begin_in_turn(&ours, &path, soon(), || Err(busy())).unwrap_err().to_string();
        assert!(told.contains("another program"), "{told}");
    }

    #[test]
    fn waits_for_the_other_one_and_passes_other_errors_on() {
        let mut left = 30;
        let until = Moment::now() + BUSY_MAX;
        let mut sometimes = || {
            left -= 1;
            if left > 0 { Err(busy()) } else { Ok(7) }
        };
        assert_eq!(patiently(Path::new("/x"), "begin", until, &mut sometimes).unwrap(), 7);
        let full = || rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        let outcome = patiently::<()>(Path::new("/x"), "begin", until, || Err(full()));
        assert!(outcome.unwrap_err().to_string().contains("free some space"));
    }
}
