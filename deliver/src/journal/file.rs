//! The journal's file: how it is opened, and what is refused.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Makes the folder and those above it, for their owner alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens the file, to append or to read; refuses what somebody else may have put in its place.
pub(super) fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(append).create(append);
    harden(&mut options);
    let existed = path.exists();
    let file = options.open(path)?;
    check(&file)?;
    if append && !existed {
        sync_folder(path)?;
    }
    Ok(file)
}

#[cfg(unix)]
fn harden(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    // NONBLOCK: a FIFO in its place must not hang us.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
}

#[cfg(not(unix))]
fn harden(_options: &mut OpenOptions) {}

#[cfg(unix)]
fn check(file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata()?;
    let fits = metadata.is_file() && metadata.nlink() == 1 && metadata.uid() == rustix::process::geteuid().as_raw();
    match fits {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file of our own with one link; move it away")),
    }
}

#[cfg(not(unix))]
fn check(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file; move it away")),
    }
}

/// A file's name survives a power cut only once its folder is on disk too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether the file ends in the middle of a line.
pub(super) fn ends_torn(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    // The position is for reading alone: appends go to the end whatever it is.
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
