//! Names of the files.
//!
//! ```text
//! <path>                      the database; only SQLite opens it: closing another handle would drop its fcntl locks
//! <path>-wal, <path>-shm      SQLite's write-ahead log and its index
//! <path>.damaged              the last database that was unreadable and was replaced
//! <path>.batons/opening       flock'd while the database is made, migrated or replaced
//! <path>.batons/lease-<n>     one per lease, flock'd by its holder: the lease is held exactly as long
//! <path>.batons/line-<n>      one per waiting process and key, flock'd by it: proof of its life
//! ```

/// Where the database is, under the root.
pub(crate) const DEFAULT: &str = "runtime/locks.sqlite";
pub(crate) const OPENING: &str = "opening";

/// What SQLite adds to the database's name.
pub(crate) const LOG: &str = "-wal";
pub(crate) const INDEX: &str = "-shm";

/// The folder of the flock'd files.
pub(crate) fn batons(database: &str) -> String {
    format!("{database}.batons")
}

/// What an unreadable database is renamed to.
pub(crate) fn damaged(database: &str) -> String {
    format!("{database}.damaged")
}

/// What a flock'd file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Lease,
    Line,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Line => "line",
        }
    }

    pub(crate) fn file(self, number: u64) -> String {
        format!("{}-{number:016x}", self.word())
    }

    /// A file that is not locked yet: renamed to [`Kind::file`] once it is.
    pub(crate) fn new_file(self, number: u64) -> String {
        format!("{}.new", self.file(number))
    }

    /// Whether the name is one of this kind's.
    pub(crate) fn names(self, name: &str) -> bool {
        let number = name.strip_prefix(self.word()).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|n| n.len() == 16 && u64::from_str_radix(n, 16).is_ok())
    }

    /// Whether the name is one of any kind's, given already or still to be given.
    pub(crate) fn is_ours(name: &str) -> bool {
        let stem = name.strip_suffix(".new").unwrap_or(name);
        Self::Lease.names(stem) || Self::Line.names(stem)
    }
}
