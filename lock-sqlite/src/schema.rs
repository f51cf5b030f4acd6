//! The schema: its version, how an older one is brought up, and that a newer or a foreign one is refused.

use std::path::Path;

use rusqlite::Connection;

use crate::error::Trouble;

/// "tstk": marks our databases among all of SQLite's.
const APPLICATION: i64 = 0x7473_746B;

/// What leads from each version to the next; the version is how many of them a database has behind it.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001_init.sql"), include_str!("schema/0002_order.sql")];

/// What a database is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing in it yet.
    Empty,
    /// Ours, of a version up to our own.
    Ours,
}

/// Looks without changing anything.
pub(crate) fn look(connection: &Connection, path: &Path) -> Result<Found, Trouble> {
    look_for(connection, path, MIGRATIONS)
}

/// Brings the database to our version.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    migrate_by(connection, path, MIGRATIONS)
}

/// Whether a migration would change something.
pub(crate) fn is_current(connection: &Connection, path: &Path) -> Result<bool, Trouble> {
    Ok(version(connection, path)? == MIGRATIONS.len())
}

/// Refuses a database that a newer talkstick has migrated since it was opened.
pub(crate) fn refuse_newer(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    refuse_newer_than(connection, path, MIGRATIONS)
}

fn look_for(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<Found, Trouble> {
    let failed = || Trouble::sql("look at", path);
    let application = pragma(connection, "application_id").map_err(failed())?;
    let count = "SELECT count(*) FROM sqlite_schema";
    let objects: i64 = connection.query_row(count, [], |row| row.get(0)).map_err(failed())?;
    match (application, objects) {
        (APPLICATION, _) => refuse_newer_than(connection, path, migrations).map(|()| Found::Ours),
        (0, 0) => Ok(Found::Empty),
        _ => Err(Trouble::NotOurs { path: path.to_owned(), what: "a database of another program" }),
    }
}

fn refuse_newer_than(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<(), Trouble> {
    let (found, known) = (version(connection, path)?, migrations.len());
    if found > known {
        return Err(Trouble::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// All steps in one transaction: a process that is killed in it leaves the old version.
fn migrate_by(connection: &Connection, path: &Path, migrations: &[&str]) -> Result<(), Trouble> {
    let failed = || Trouble::sql("bring the schema up in", path);
    let mut steps = String::from("BEGIN IMMEDIATE;\n");
    steps.extend(migrations.iter().skip(version(connection, path)?).copied());
    steps.push_str(&format!(
        "PRAGMA application_id = {APPLICATION};\nPRAGMA user_version = {};\nCOMMIT;",
        migrations.len()
    ));
    let migrated = connection.execute_batch(&steps).map_err(failed());
    if migrated.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(failed())?;
    }
    migrated
}

fn version(connection: &Connection, path: &Path) -> Result<usize, Trouble> {
    let version = pragma(connection, "user_version").map_err(Trouble::sql("read the schema version of", path))?;
    // A negative one was never ours.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "ALTER TABLE locks ADD COLUMN note TEXT;";

    fn one_key(connection: &Connection) {
        let row = "INSERT INTO locks VALUES ('k', 7, 6, x'00', 5, 6, x'00', 4, 'h', 3, 2, 'l', 0)";
        connection.execute_batch(row).unwrap();
    }

    fn last_token(connection: &Connection) -> i64 {
        connection.query_row("SELECT last_token FROM locks WHERE key = 'k'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_database_is_made_once_and_brought_up_without_losing_its_rows() {
        let (connection, path) = (Connection::open_in_memory().unwrap(), Path::new("db"));
        assert_eq!(look(&connection, path).unwrap(), Found::Empty);
        migrate(&connection, path).unwrap();
        one_key(&connection);
        assert!(look(&connection, path).unwrap() == Found::Ours && is_current(&connection, path).unwrap());
        let newer = [MIGRATIONS[0], MIGRATIONS[1], NEXT];
        migrate_by(&connection, path, &newer).unwrap();
        assert_eq!(last_token(&connection), 7);
        assert_eq!(version(&connection, path).unwrap(), 3);
        // And this build meets it.
        let refused = refuse_newer(&connection, path).unwrap_err().to_string();
        assert!(
            refused.contains("version 3") && refused.contains("up to 2") && refused.contains("update"),
            "{refused}"
        );
        assert!(look(&connection, path).is_err());
    }

    #[test]
    fn a_database_of_each_older_version_is_brought_up_with_its_line() {
        for older in 1..MIGRATIONS.len() {
            let (connection, path) = (Connection::open_in_memory().unwrap(), Path::new("db"));
            migrate_by(&connection, path, &MIGRATIONS[..older]).unwrap();
            one_key(&connection);
            let row = "INSERT INTO tickets VALUES ('k', 8, zeroblob(16), 1, 2, 15, 0, 3, 'h', 4, 5, 'l')";
            connection.execute_batch(row).unwrap();
            assert!(!is_current(&connection, path).unwrap());
            migrate(&connection, path).unwrap();
            let key = lock_core::LockKey::new("k").unwrap();
            assert!(!crate::queries::is_plain(&connection, &key).unwrap(), "the indexes know what was there");
            assert_eq!(crate::queries::first_two(&connection, &key).unwrap()[0].ticket, 8);
            assert_eq!(last_token(&connection), 7);
        }
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let (connection, path) = (Connection::open_in_memory().unwrap(), Path::new("db"));
        migrate(&connection, path).unwrap();
        one_key(&connection);
        let broken = [MIGRATIONS[0], MIGRATIONS[1], NEXT, "CREATE TABLE locks (x) STRICT;"];
        migrate_by(&connection, path, &broken).unwrap_err();
        assert!(connection.is_autocommit() && is_current(&connection, path).unwrap());
        assert_eq!(last_token(&connection), 7);
        migrate_by(&connection, path, &broken[..3]).expect("no half of it is left");
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let (connection, path) = (Connection::open_in_memory().unwrap(), Path::new("db"));
        connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        let refused = look(&connection, path).unwrap_err().to_string();
        assert!(refused.contains("another program"), "{refused}");
    }
}
