//! The journal's file: how it is opened, and what is refused.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Makes the folder and those above it: below a setgid group folder for its group too, else for their owner alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    #[cfg_attr(not(unix), allow(unused_mut, reason = "the mode is set where there are modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        // What is made is subject to the umask, the group's rights must not be. By handle and through no link: by path, a
        // member of the group could have another file of ours opened to it.
        Ok(()) if group_of_shared(folder.parent()).is_some() => {
            let mut options = OpenOptions::new();
            options.read(true);
            harden(&mut options);
            open_to_group(&options.open(folder)?, 0o2770)
        }
        Ok(()) => Ok(()),
    }
}

/// The group of a setgid folder that the group can write.
#[cfg(unix)]
fn group_of_shared(folder: Option<&Path>) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::metadata(folder?).ok()?;
    (metadata.mode() & 0o2020 == 0o2020).then(|| metadata.gid())
}

#[cfg(not(unix))]
fn group_of_shared(_folder: Option<&Path>) -> Option<u32> {
    None
}

#[cfg(unix)]
fn open_to_group(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn open_to_group(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Opens the file, to append or to read; refuses what somebody else may have put in its place.
pub(super) fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(append).create(append);
    harden(&mut options);
    let existed = path.exists();
    let file = options.open(path)?;
    check(&file, path)?;
    if append && !existed {
        if group_of_shared(path.parent()).is_some() {
            open_to_group(&file, 0o660)?;
        }
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
fn check(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata()?;
    let shared = group_of_shared(path.parent()) == Some(metadata.gid());
    let ours = metadata.uid() == rustix::process::geteuid().as_raw() || shared;
    let fits = metadata.is_file() && metadata.nlink() == 1 && ours;
    match fits {
        true => Ok(()),
        false => Err(io::Error::other(
            "it is not a regular file of our own, or of the folder's group, with one link; move it away",
        )),
    }
}

#[cfg(not(unix))]
fn check(file: &File, _path: &Path) -> io::Result<()> {
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
