//! Opening the files of a backend that keeps some: what is planted in place of a file is not followed, where the system can
//! tell. An error names the path and the step; see [`FileError`].

#[cfg(not(unix))]
#[path = "dir_windows.rs"]
mod system;
#[cfg(unix)]
#[path = "dir_unix.rs"]
mod system;

use std::fs::File;

pub use system::{Dir, FileId, id_at, id_of, read_at, read_once_at, write_at};

use crate::FileError;

impl Dir {
    /// Opens a file for reading and writing, making it where it is missing.
    pub fn file(&self, name: &str) -> Result<File, FileError> {
        loop {
            if let Some(file) = self.existing_file(name)? {
                return Ok(file);
            }
            if let Some(file) = self.new_file(name)? {
                return Ok(file);
            }
        }
    }
}
