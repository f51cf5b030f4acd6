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
use rusqlite::ErrorCode;

use crate::error::Trouble;

/// How long another one may keep the database before we give up. Our own transactions take a fraction of a millisecond;
/// and below the 5 s that callers are kept waiting for an answer, so that they get this one, which says more.
pub(crate) const BUSY_MAX: Duration = Duration::from_secs(4);

/// So many tries at once, each giving way to others: transactions of ours are over by then.
pub(crate) const QUICK_TRIES: u32 = 20;
/// Then pauses from the first to the longest, doubled each time, and each by chance between its half and its whole.
const PAUSE_FIRST: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(10);

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
    let (began, chance) = (Moment::now(), RandomState::new());
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(done) = briefly(&mut attempt).map_err(Trouble::sql(action, path))? {
            return Ok(done);
        }
        if until.is_past() {
            return Err(Trouble::Busy { path: path.to_owned(), waited: began.elapsed() });
        }
        let half = pause / 2;
        let part = u32::try_from(chance.hash_one(began.elapsed()) % 1024).unwrap_or(0);
        std::thread::sleep((half + half * part / 1024).min(until.remaining()));
        pause = (pause * 2).min(PAUSE_MAX);
    }
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
