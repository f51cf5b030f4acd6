//! Flock'd files: a lease's baton, and a waiting process's place in line.
//!
//! The lock says two things. While it stands, its process lives: who gets a shared lock on the file has the kernel's word
//! that the process is dead or has let go. And when it falls, who sleeps on it wakes. A file is locked before it has its
//! name, and before a row names it; once unlocked it is never locked again, so nobody can miss that it fell.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use lock_core::{
    FileError, Moment,
    dir::{self, Dir, FileId},
    flock,
};

use crate::{
    error::Trouble,
    layout::{self, Kind},
};

/// How often a file may vanish before it has its name.
const TRIES: usize = 10;

/// The folder of the flock'd files.
#[derive(Debug)]
pub(crate) struct Batons {
    folder: Dir,
}

/// A file that this process keeps locked. It must be let go: closing it would leave the lock with a copy in a forked
/// child.
#[derive(Debug, Clone)]
pub(crate) struct Baton {
    pub(crate) number: u64,
    pub(crate) file: Arc<File>,
    pub(crate) id: FileId,
}

/// What is known of a file of somebody's.
#[derive(Debug)]
pub(crate) enum Life {
    /// Its process keeps it locked; the file, to sleep on.
    Alive(File, FileId),
    /// Not any more. When it was let go, in nanoseconds since boot; 0 for a death.
    Over { released_ns: u64 },
}

impl Batons {
    /// The folder beside the database; made where it is missing.
    pub(crate) fn open(gates: &Dir, database: &str) -> Result<Self, Trouble> {
        Ok(Self { folder: gates.folder(&layout::batons(database))? })
    }

    pub(crate) fn folder(&self) -> &Dir {
        &self.folder
    }

    /// Makes and locks a file under a number that nobody has had. It has no name of its kind yet: see [`Batons::name`].
    pub(crate) fn prepare(&self, kind: Kind) -> Result<Baton, Trouble> {
        let number = RandomState::new().hash_one((std::process::id(), Moment::now())).max(1);
        self.make(kind, number)
    }

    /// Gives a prepared file its name: from now on it speaks for its process.
    pub(crate) fn name(&self, kind: Kind, baton: &Baton) -> Result<(), Trouble> {
        Ok(self.folder.rename(&kind.new_file(baton.number), &kind.file(baton.number))?)
    }

    /// Puts a new file in the place of this one. The old one is returned: letting it go wakes who sleeps on it, which
    /// they should when the database is free.
    pub(crate) fn replace(&self, kind: Kind, baton: &mut Baton) -> Result<Baton, Trouble> {
        let new = self.make(kind, baton.number)?;
        self.name(kind, &new)?;
        Ok(std::mem::replace(baton, new))
    }

    fn make(&self, kind: Kind, number: u64) -> Result<Baton, Trouble> {
        let name = kind.new_file(number);
        let path = || self.folder.path_of(&name);
        for _ in 0..TRIES {
            // What a killed attempt of ours has left is nobody's: the number is ours alone.
            self.folder.unlink(&name)?;
            let Some(file) = self.folder.new_file(&name)? else { continue };
            flock::exclusive(&file).map_err(Trouble::io("lock", path()))?;
            let id = dir::id_of(&file).map_err(Trouble::io("look at", path()))?;
            // Until it was locked, a sweep could take it for a dead one's.
            if self.folder.id_of(&name)? == Some(id) {
                return Ok(Baton { number, file: Arc::new(file), id });
            }
        }
        Err(Trouble::unsteady(path()))
    }

    /// Whether somebody keeps the file locked.
    pub(crate) fn life(&self, kind: Kind, number: u64) -> Result<Life, Trouble> {
        let name = kind.file(number);
        let path = || self.folder.path_of(&name);
        for _ in 0..TRIES {
            let file = match self.folder.existing_file(&name) {
                Ok(Some(file)) => file,
                Ok(None) => return Ok(Life::Over { released_ns: 0 }),
                // What was not put there by a process of ours holds up no line: who is alive puts its file back.
                Err(FileError::Planted { .. }) if kind == Kind::Line => return Ok(Life::Over { released_ns: 0 }),
                Err(error) => return Err(error.into()),
            };
            let id = dir::id_of(&file).map_err(Trouble::io("look at", path()))?;
            if !flock::try_shared(&file).map_err(Trouble::io("lock", path()))? {
                return Ok(Life::Alive(file, id));
            }
            // Its process may have put a new one in its place since it was opened, and has let go of this one alone.
            if self.folder.id_of(&name)?.is_none_or(|there| there == id) {
                let mut bytes = [0; 8];
                dir::read_at(&file, &mut bytes, 0).map_err(Trouble::io("read", path()))?;
                return Ok(Life::Over { released_ns: u64::from_le_bytes(bytes) });
            }
        }
        Err(Trouble::unsteady(path()))
    }

    /// Whether the name still names our file.
    pub(crate) fn is_in_place(&self, kind: Kind, baton: &Baton) -> Result<bool, Trouble> {
        Ok(self.folder.id_of(&kind.file(baton.number))? == Some(baton.id))
    }

    /// Takes away the file of one that has let go or died.
    pub(crate) fn bury(&self, kind: Kind, number: u64) {
        // Only what a process of ours made has a name of this form; a folder planted there stays, and harms nobody.
        if let Err(error) = self.folder.unlink(&kind.file(number)) {
            tracing::debug!(%error, "a file that has served stays");
        }
    }

    /// Takes away a prepared file that never got its name.
    pub(crate) fn discard(&self, kind: Kind, baton: &Baton) {
        if let Err(error) = self.folder.unlink(&kind.new_file(baton.number)) {
            tracing::debug!(%error, "a file that was not used stays");
        }
    }

    /// Takes away what dead processes left, and counts the leases that live.
    pub(crate) fn sweep(&self) -> Result<usize, Trouble> {
        let mut leases = 0;
        for name in self.folder.names()? {
            if !Kind::is_ours(&name) {
                continue;
            }
            let Ok(Some(file)) = self.folder.existing_file(&name) else { continue };
            if flock::try_shared(&file).map_err(Trouble::io("lock", self.folder.path_of(&name)))? {
                let id = dir::id_of(&file).map_err(Trouble::io("look at", self.folder.path_of(&name)))?;
                // As in `life`: what has been put in its place lives.
                if self.folder.id_of(&name)? == Some(id) {
                    self.folder.unlink(&name)?;
                }
            } else {
                leases += usize::from(Kind::Lease.names(&name));
            }
        }
        Ok(leases)
    }
}

impl Baton {
    /// Lets go: who sleeps on it wakes. Before the close, which a copy in a forked child would outlive.
    pub(crate) fn let_go(&self) {
        let now = Moment::now().since_boot_ns();
        // For those behind a head that sleeps: without it they count from when they see the lock free.
        if let Err(error) = dir::write_at(&self.file, &now.to_le_bytes(), 0) {
            tracing::debug!(%error, "the moment of a release was not written down");
        }
        if let Err(error) = flock::unlock(&self.file) {
            tracing::error!(%error, "a lock file could not be unlocked; closing it must do");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(batons: &Batons, kind: Kind) -> Baton {
        let baton = batons.prepare(kind).unwrap();
        batons.name(kind, &baton).unwrap();
        baton
    }

    fn batons(folder: &tempfile::TempDir) -> Batons {
        Batons::open(&Dir::open(folder.path()).unwrap().unwrap(), "db").unwrap()
    }

    #[test]
    fn a_file_lives_until_it_is_let_go_and_says_when() {
        let folder = tempfile::tempdir().unwrap();
        let batons = batons(&folder);
        let baton = batons.prepare(Kind::Lease).unwrap();
        assert!(matches!(batons.life(Kind::Lease, baton.number).unwrap(), Life::Over { .. }), "no lease yet");
        assert_eq!(batons.sweep().unwrap(), 0);
        batons.name(Kind::Lease, &baton).unwrap();
        assert!(matches!(batons.life(Kind::Lease, baton.number).unwrap(), Life::Alive(_, id) if id == baton.id));
        assert!(matches!(batons.life(Kind::Line, baton.number).unwrap(), Life::Over { released_ns: 0 }));
        assert_eq!(batons.sweep().unwrap(), 1);
        let before = Moment::now().since_boot_ns();
        baton.let_go();
        let Life::Over { released_ns } = batons.life(Kind::Lease, baton.number).unwrap() else { panic!("let go") };
        assert!(released_ns >= before);
        assert_eq!(batons.sweep().unwrap(), 0);
        assert!(!batons.is_in_place(Kind::Lease, &baton).unwrap());
    }

    #[test]
    fn a_replaced_file_is_alive_and_its_sleepers_are_on_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let batons = batons(&folder);
        let mut baton = create(&batons, Kind::Line);
        let Life::Alive(slept_on, _) = batons.life(Kind::Line, baton.number).unwrap() else { panic!("alive") };
        let old = batons.replace(Kind::Line, &mut baton).unwrap();
        assert!(!flock::try_shared(&slept_on).unwrap());
        old.let_go();
        assert!(flock::try_shared(&slept_on).unwrap(), "woken");
        assert!(batons.is_in_place(Kind::Line, &baton).unwrap() && old.number == baton.number);
    }

    /// Who looks, or sweeps, just when a file is replaced sees its process alive.
    #[test]
    fn a_file_that_is_being_replaced_is_alive_all_along() {
        let folder = tempfile::tempdir().unwrap();
        let batons = batons(&folder);
        let mut baton = create(&batons, Kind::Line);
        let number = baton.number;
        std::thread::scope(|scope| {
            let replacing = scope.spawn(|| {
                (0..3000).for_each(|_| batons.replace(Kind::Line, &mut baton).unwrap().let_go());
                baton
            });
            while !replacing.is_finished() {
                let life = batons.life(Kind::Line, number).unwrap();
                assert!(matches!(life, Life::Alive(..)), "{life:?}");
                batons.sweep().unwrap();
            }
            let baton = replacing.join().unwrap();
            assert!(batons.is_in_place(Kind::Line, &baton).unwrap());
            baton.let_go();
        });
    }

    /// Makers and a sweep at once: whatever has its name is locked, and stays.
    #[test]
    fn a_sweep_takes_nothing_from_who_is_making_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let batons = batons(&folder);
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (0..200).map(|_| create(&batons, Kind::Line)).collect::<Vec<_>>()))
                .collect();
            while makers.iter().any(|maker| !maker.is_finished()) {
                batons.sweep().unwrap();
            }
            for baton in makers.into_iter().flat_map(|maker| maker.join().unwrap()) {
                assert!(batons.is_in_place(Kind::Line, &baton).unwrap());
            }
        });
    }
}
