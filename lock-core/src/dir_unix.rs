//! Opening files from a checked folder handle: nothing that is planted in place of a file is followed or waited for.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use crate::file_error::FileError;

/// A folder, held open: what is opened in it is opened there, whatever happens to its path.
#[derive(Debug)]
pub struct Dir {
    handle: OwnedFd,
    path: PathBuf,
    sharing: Sharing,
}

/// Who else may use the files.
#[derive(Debug, Clone, Copy)]
struct Sharing {
    /// The folder's owner, who can replace anything in it anyway.
    owner: u32,
    /// The group of a setgid folder that the group can write.
    group: Option<u32>,
}

/// Names one file of this host, as long as it exists or is held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

impl Dir {
    /// Opens the folder of the locks, making it where it is missing: below a setgid group folder for its group too, else
    /// for this user alone.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        if let Some(dir) = Self::open(path)? {
            return Ok(dir);
        }
        if let Some((shared, rest)) = Self::shared_above(path)? {
            return rest.iter().try_fold(shared, |dir, name| dir.folder(name));
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path).map_err(FileError::io("make the folder", path))?;
        Self::open(path)?.ok_or_else(|| FileError::Unsteady { path: path.to_owned() })
    }

    /// The nearest folder above that exists, if it is shared with a group, and the names of what is missing below it. One
    /// that is not shared may be anybody's, and need not even be readable; but what is made in it must not be every user's
    /// to rename away.
    fn shared_above(path: &Path) -> Result<Option<(Self, Vec<&str>)>, FileError> {
        let Some(above) = path.ancestors().find(|above| above.is_dir()) else { return Ok(None) };
        let stat = rustix::fs::stat(above).map_err(|e| FileError::io("look at", above)(e.into()))?;
        refuse_writable_by_all(&stat, above)?;
        if group_of_shared(&stat).is_none() {
            return Ok(None);
        }
        let missing = path.strip_prefix(above).unwrap_or(path);
        let names: Option<Vec<&str>> = missing.iter().map(std::ffi::OsStr::to_str).collect();
        let shared = Self::open(above)?.filter(|above| above.sharing.group.is_some());
        Ok(shared.zip(names))
    }

    /// Opens the folder of the locks if it is there.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        let handle = match rustix::fs::open(path, OFlags::RDONLY | FOLDER, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(FileError::io("open the folder", path)(e.into())),
        };
        let stat = rustix::fs::fstat(&handle).map_err(|e| FileError::io("look at", path)(e.into()))?;
        refuse_writable_by_all(&stat, path)?;
        let sharing = Sharing { owner: stat.st_uid, group: group_of_shared(&stat) };
        Ok(Some(Self { handle, path: path.to_owned(), sharing }))
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a folder in this one, making it where it is missing.
    pub fn folder(&self, name: &str) -> Result<Self, FileError> {
        if let Some(folder) = self.existing_folder(name)? {
            return Ok(folder);
        }
        let mode = if self.sharing.group.is_some() { Mode::RWXU | Mode::RWXG | Mode::SGID } else { Mode::RWXU };
        let made = match rustix::fs::mkdirat(&self.handle, name, mode) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(e) => return Err(FileError::io("make the folder", self.path_of(name))(e.into())),
        };
        let folder = self.existing_folder(name)?.ok_or_else(|| FileError::Unsteady { path: self.path_of(name) })?;
        if made && self.sharing.group.is_some() {
            // mkdir is subject to the umask, the group's right to write must not be.
            rustix::fs::fchmod(&folder.handle, mode)
                .map_err(|e| FileError::io("open to the group", self.path_of(name))(e.into()))?;
        }
        Ok(folder)
    }

    /// Opens a folder in this one if it is there.
    pub fn existing_folder(&self, name: &str) -> Result<Option<Self>, FileError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | FOLDER;
        let path = self.path_of(name);
        match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => {
                let stat = rustix::fs::fstat(&handle).map_err(|e| FileError::io("look at", &path)(e.into()))?;
                self.check_owner(&stat, &path)?;
                Ok(Some(Self { handle, path, sharing: self.sharing }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
                Err(FileError::Planted { path, what: "no folder, where one of ours must be" })
            }
            Err(e) => Err(FileError::io("open the folder", path)(e.into())),
        }
    }

    /// Opens a file for reading, and for writing where that is allowed, if it is there.
    pub fn existing_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let opened = match rustix::fs::openat(&self.handle, name, OFlags::RDWR | SAFE, Mode::empty()) {
            // A gate that another program made may be open to the group for reading only, which is enough to lock it.
            Err(Errno::ACCESS) => rustix::fs::openat(&self.handle, name, OFlags::RDONLY | SAFE, Mode::empty()),
            other => other,
        };
        match opened {
            Ok(handle) => self.check(handle, name).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::MLINK) => {
                Err(FileError::Planted { path: self.path_of(name), what: "a symbolic link" })
            }
            Err(Errno::ISDIR) => Err(FileError::Planted { path: self.path_of(name), what: "a folder" }),
            Err(Errno::NXIO) => Err(FileError::Planted { path: self.path_of(name), what: "no regular file" }),
            Err(e) => Err(FileError::io("open", self.path_of(name))(e.into())),
        }
    }

    /// Makes a file; `None` when the name is taken.
    pub fn new_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SAFE;
        let handle = match rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(handle) => handle,
            Err(Errno::EXIST) => return Ok(None),
            Err(e) => return Err(FileError::io("make", self.path_of(name))(e.into())),
        };
        if self.sharing.group.is_some() {
            rustix::fs::fchmod(&handle, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP)
                .map_err(|e| FileError::io("open to the group", self.path_of(name))(e.into()))?;
        }
        Ok(Some(handle.into()))
    }

    /// Renames a file in this folder, replacing what has the name; an empty folder, too.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let rename = || rustix::fs::renameat(&self.handle, from, &self.handle, to);
        let renamed = match rename() {
            Err(Errno::ISDIR) => rustix::fs::unlinkat(&self.handle, to, AtFlags::REMOVEDIR).and_then(|()| rename()),
            done => done,
        };
        renamed.map_err(|e| FileError::io("rename to", self.path_of(to))(e.into()))
    }

    /// Unlinks a file; one that is not there is no error.
    pub fn unlink(&self, name: &str) -> Result<(), FileError> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(FileError::io("unlink", self.path_of(name))(e.into())),
        }
    }

    /// The file behind a name in this folder, if there is one. A link is not followed.
    pub fn id_of(&self, name: &str) -> Result<Option<FileId>, FileError> {
        found(rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW), || self.path_of(name))
    }

    /// The names in this folder.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let list = |e: Errno| FileError::io("list", &self.path)(e.into());
        let entries = rustix::fs::Dir::read_from(&self.handle).map_err(list)?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(list)?.file_name().to_str().ok().map(str::to_owned));
        }
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// The file behind a name in this folder, if there is one and it is a plain file of ours, without opening it: for files
    /// that a library opens by their path.
    pub fn plain(&self, name: &str) -> Result<Option<FileId>, FileError> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.check_stat(&stat, name).map(|()| Some(file_id(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(FileError::io("look at", self.path_of(name))(e.into())),
        }
    }

    fn check(&self, handle: OwnedFd, name: &str) -> Result<File, FileError> {
        let stat = rustix::fs::fstat(&handle).map_err(|e| FileError::io("look at", self.path_of(name))(e.into()))?;
        self.check_stat(&stat, name).map(|()| handle.into())
    }

    /// Refuses what is no plain file of ours.
    fn check_stat(&self, stat: &Stat, name: &str) -> Result<(), FileError> {
        let path = || self.path_of(name);
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink > 1 => Some("a hard link to another file"),
            FileType::RegularFile => None,
            FileType::Directory => Some("a folder"),
            FileType::Fifo => Some("a FIFO"),
            FileType::Symlink => Some("a symbolic link"),
            _ => Some("no regular file"),
        };
        if let Some(what) = what {
            return Err(FileError::Planted { path: path(), what });
        }
        self.check_owner(stat, &path())
    }

    /// Ours, root's, the folder owner's, or in a shared folder its group's.
    fn check_owner(&self, stat: &Stat, path: &Path) -> Result<(), FileError> {
        let me = rustix::process::geteuid().as_raw();
        let known = [me, 0, self.sharing.owner].contains(&stat.st_uid);
        if known || self.sharing.group == Some(stat.st_gid) {
            return Ok(());
        }
        Err(FileError::Stranger { path: path.to_owned(), uid: stat.st_uid })
    }
}

/// The file that is held open.
pub fn id_of(file: &File) -> io::Result<FileId> {
    rustix::fs::fstat(file).map(|stat| file_id(&stat)).map_err(Into::into)
}

/// The file behind a path, if there is one. A link in the last place is not followed.
pub fn id_at(path: &Path) -> Result<Option<FileId>, FileError> {
    found(rustix::fs::lstat(path), || path.to_owned())
}

/// Reads once: all there is up to the size of the buffer, as regular files do.
pub fn read_once_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

/// Reads from `at` until `buffer` is full or the file ends; says how much was read.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `at`.
pub fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// Refuses a folder in which every user can rename and replace what others have made.
fn refuse_writable_by_all(folder: &Stat, path: &Path) -> Result<(), FileError> {
    let mode = Mode::from_raw_mode(folder.st_mode);
    if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
        return Err(FileError::WorldWritable { path: path.to_owned() });
    }
    Ok(())
}

/// The group of a setgid folder that the group can write.
fn group_of_shared(folder: &Stat) -> Option<u32> {
    Mode::from_raw_mode(folder.st_mode).contains(Mode::SGID | Mode::WGRP).then_some(folder.st_gid)
}

fn found(stat: rustix::io::Result<Stat>, path: impl FnOnce() -> PathBuf) -> Result<Option<FileId>, FileError> {
    match stat {
        Ok(stat) => Ok(Some(file_id(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(FileError::io("look at", path())(e.into())),
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the widths differ between systems")]
fn file_id(stat: &Stat) -> FileId {
    FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}
