//! What the supervisor lets go of once the child runs, so that readers of the caller's pipes see their end.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

/// Closes everything but `keep`, and puts /dev/null in the place of stdin, stdout and stderr.
pub(super) fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    for standard in 0..=2 {
        // SAFETY: both are open, or become so by this call; nothing in this process uses the standard streams any more.
        if unsafe { libc::dup2(null.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    for open in open_descriptors()?.into_iter().filter(|fd| *fd > 2 && *fd != null.as_raw_fd() && !kept.contains(fd)) {
        // SAFETY: whatever owns it belongs to `run`, whose copy this process never touches again: it leaves by `_exit`,
        // which runs no destructors.
        unsafe { libc::close(open) };
    }
    Ok(())
}

fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let names = std::fs::read_dir("/dev/fd")?.map(|entry| Ok(entry?.file_name().to_string_lossy().parse().ok()));
    // The folder's own descriptor is among them and closed by now; closing it once more does no harm in one thread.
    Ok(names.collect::<io::Result<Vec<Option<RawFd>>>>()?.into_iter().flatten().collect())
}
