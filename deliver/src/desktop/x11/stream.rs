//! A connection to the X server whose every wait ends.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, BorrowedFd},
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown},
};
use x11rb::{
    rust_connection::{DefaultStream, PollMode, Stream},
    utils::RawFdContainer,
};

/// The stream under an X connection: waits for the server end with [`io::ErrorKind::TimedOut`] at the deadline.
///
/// Without it, a server grab of a stranger (or a stopped server) would hang a sender that holds the lock.
#[derive(Debug)]
pub(super) struct DeadlineStream {
    inner: DefaultStream,
    /// Nanoseconds since boot; `u64::MAX` stands for no deadline.
    until_ns: AtomicU64,
}

impl DeadlineStream {
    pub(super) fn new(inner: DefaultStream) -> Self {
        Self { inner, until_ns: AtomicU64::new(u64::MAX) }
    }

    /// All waits from now on end at `until`.
    pub(super) fn answer_until(&self, until: Moment) {
        self.until_ns.store(until.since_boot_ns(), Ordering::Relaxed);
    }

    /// Ends the connection for both sides.
    fn shut(&self) {
        if let Err(error) = shutdown(self.inner.as_fd(), Shutdown::Both) {
            tracing::debug!(%error, "the connection to the display was closed already");
        }
    }
}

impl AsFd for DeadlineStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        AsFd::as_fd(&self.inner)
    }
}

impl Stream for DeadlineStream {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, mode.readable());
        wanted.set(PollFlags::OUT, mode.writable());
        let until_ns = self.until_ns.load(Ordering::Relaxed);
        let until = (until_ns != u64::MAX).then(|| Moment::from_since_boot_ns(until_ns));
        match wait_for(&mut [PollFd::new(self, wanted)], until)? {
            true => Ok(()),
            false => {
                // Requests still on their way (a server grab!) must not be done later, when nobody waits for them.
                self.shut();
                Err(io::Error::new(io::ErrorKind::TimedOut, "the X server did not answer in time"))
            }
        }
    }

    fn read(&self, buf: &mut [u8], fd_storage: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.inner.read(buf, fd_storage)
    }

    fn write(&self, buf: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        // Requests with descriptors are not made here.
        fds.clear();
        again(|| send(self, buf, QUIETLY))
    }

    fn write_vectored(&self, bufs: &[io::IoSlice<'_>], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        fds.clear();
        again(|| sendmsg(self, bufs, &mut SendAncillaryBuffer::default(), QUIETLY))
    }
}

/// A connection that was shut down is an error, and never a SIGPIPE that ends the embedding program.
#[cfg(not(target_vendor = "apple"))]
pub(super) const QUIETLY: SendFlags = SendFlags::NOSIGNAL;
/// There the standard library's sockets are made so.
#[cfg(target_vendor = "apple")]
pub(super) const QUIETLY: SendFlags = SendFlags::empty();

fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

/// Waits until one of `fds` is ready; `false` when the deadline came first. Without a deadline it waits for ever.
pub(super) fn wait_for(fds: &mut [PollFd<'_>], until: Option<Moment>) -> io::Result<bool> {
    loop {
        let left = until.map(|until| {
            let left = until.remaining();
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
        });
        match poll(fds, left.as_ref()) {
            Ok(0) if until.is_none_or(|until| !until.is_past()) => {}
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
