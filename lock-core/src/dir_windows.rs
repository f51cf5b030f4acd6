//! Opening files on Windows: by path, with the checks that std can make.

use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::{
        fs::{FileExt as _, OpenOptionsExt as _},
        io::AsRawHandle as _,
    },
    path::{Path, PathBuf},
};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, GetFileInformationByHandle,
};

use crate::file_error::FileError;

/// A folder, by its path.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
}

/// Names one file among all that are there at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    volume: u32,
    index: u64,
}

impl Dir {
    /// Opens the folder of the locks, making it where it is missing.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        std::fs::create_dir_all(path).map_err(FileError::io("make the folder", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens the folder of the locks if it is there.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        Ok(path.is_dir().then(|| Self { path: path.to_owned() }))
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a folder in this one, making it where it is missing.
    pub fn folder(&self, name: &str) -> Result<Self, FileError> {
        let path = self.path_of(name);
        match std::fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(FileError::io("make the folder", path)(e)),
            _ => self.existing_folder(name)?.ok_or(FileError::Unsteady { path }),
        }
    }

    /// Opens a folder in this one if it is there.
    pub fn existing_folder(&self, name: &str) -> Result<Option<Self>, FileError> {
        let path = self.path_of(name);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Ok(Some(Self { path })),
            Ok(_) => Err(FileError::Planted { path, what: "no folder, where one of ours must be" }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(FileError::io("look at", path)(e)),
        }
    }

    /// Opens a file for reading and writing if it is there.
    pub fn existing_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(FileError::Planted { path, what: "no regular file" }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(FileError::io("look at", path)(e)),
        }
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(FileError::io("open", path)(e)),
        }
    }

    /// Makes a file; `None` when the name is taken.
    pub fn new_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(FileError::io("make", path)(e)),
        }
    }

    /// Renames a file in this folder, replacing what has the name; an empty folder, too.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let rename = || std::fs::rename(self.path_of(from), self.path_of(to));
        let renamed =
            rename().or_else(|error| std::fs::remove_dir(self.path_of(to)).map_err(|_| error).and_then(|()| rename()));
        renamed.map_err(FileError::io("rename to", self.path_of(to)))
    }

    /// Unlinks a file; one that is not there is no error.
    pub fn unlink(&self, name: &str) -> Result<(), FileError> {
        match std::fs::remove_file(self.path_of(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::io("unlink", self.path_of(name))(e)),
            _ => Ok(()),
        }
    }

    /// The file behind a name in this folder, if there is one. A link is not followed.
    pub fn id_of(&self, name: &str) -> Result<Option<FileId>, FileError> {
        id_at(&self.path_of(name))
    }

    /// The file behind a name in this folder, if there is one and it is a plain file, without opening it: for files that a
    /// library opens by their path.
    pub fn plain(&self, name: &str) -> Result<Option<FileId>, FileError> {
        let path = self.path_of(name);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => id_at(&path),
            Ok(_) => Err(FileError::Planted { path, what: "no regular file" }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(FileError::io("look at", path)(e)),
        }
    }

    /// The names in this folder.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let list = || FileError::io("list", &self.path);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(list())? {
            names.extend(entry.map_err(list())?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

/// The file that is held open.
pub fn id_of(file: &File) -> io::Result<FileId> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the structure is the one that the call fills in. std has this unstable only.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(FileId {
            volume: found.dwVolumeSerialNumber,
            index: u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow),
        }),
    }
}

/// The file behind a path, if there is one. A link in the last place is not followed.
pub fn id_at(path: &Path) -> Result<Option<FileId>, FileError> {
    let mut only_to_look = OpenOptions::new();
    only_to_look.access_mode(0).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
    match only_to_look.open(path).and_then(|file| id_of(&file)) {
        Ok(id) => Ok(Some(id)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FileError::io("look at", path)(e)),
    }
}

/// Reads once: all there is up to the size of the buffer, as regular files do.
pub fn read_once_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

/// Reads from `at` until `buffer` is full or the file ends; says how much was read.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.seek_read(&mut buffer[filled..], at + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `at`.
pub fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], at + written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => written += more,
        }
    }
    Ok(())
}
