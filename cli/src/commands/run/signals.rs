//! Signals as bytes in a pipe, so that one `poll` waits for signals and everything else.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, Timespec, poll},
    fs::OFlags,
};

use crate::signals::is_ignored;

/// The signals that `run` passes on to its child.
pub(super) const PASSED_ON: [i32; 9] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// The byte of a [`Bell`]; no signal has this number.
pub(super) const BELL: u8 = 0;

/// Where the handler writes. One for the process, because a handler has no other way to find it.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The read end: each byte is the number of a signal that arrived, or [`BELL`].
#[derive(Debug)]
pub(super) struct SignalPipe {
    read: OwnedFd,
    write: Arc<OwnedFd>,
}

/// Wakes the reader of a [`SignalPipe`] from another thread.
#[derive(Debug, Clone)]
pub(super) struct Bell(Arc<OwnedFd>);

impl Bell {
    /// Wakes the reader.
    pub(super) fn ring(&self) {
        // A full pipe wakes the reader as well as one more byte would.
        let _full = rustix::io::write(&*self.0, &[BELL]);
    }
}

impl SignalPipe {
    /// A pipe that no signal is written to yet.
    pub(super) fn open() -> io::Result<Self> {
        let (read, write) = close_on_exec_pipe()?;
        for end in [&read, &write] {
            let flags = rustix::fs::fcntl_getfl(end)?;
            rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { read, write: Arc::new(write) })
    }

    /// Catches these signals from now on. A signal that the caller had ignored stays ignored, for us and for the child:
    /// `nohup` relies on it.
    pub(super) fn catch(&self, signals: &[i32]) -> io::Result<()> {
        PIPE.store(self.write.as_raw_fd(), Ordering::Release);
        for &signal in signals {
            if !is_ignored(signal)? {
                set_disposition(signal, write_to_pipe as *const () as libc::sighandler_t)?;
            }
        }
        Ok(())
    }

    /// A way to wake the reader.
    pub(super) fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.write))
    }

    /// The end that signals are written to, for who closes everything else.
    pub(super) fn write_end(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// The next byte; `None` when there is none now.
    pub(super) fn next(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.read, &mut byte)) {
            Ok(0) | Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// `poll`, with an interruption counting as nothing seen.
pub(super) fn poll_for(fds: &mut [PollFd<'_>], longest: Option<Duration>) -> io::Result<bool> {
    let timeout = longest.map(|span| Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    });
    match poll(fds, timeout.as_ref()) {
        Ok(seen) => Ok(seen > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The signals that a thread does not take.
#[derive(Clone, Copy)]
pub(super) struct Mask(libc::sigset_t);

impl Mask {
    /// Blocks all signals in this thread; gives what was blocked before.
    pub(super) fn block_all() -> io::Result<Self> {
        Self::of(libc::sigfillset).swap()
    }

    /// Takes all signals but those that were blocked before.
    pub(super) fn restore(self) -> io::Result<()> {
        self.swap().map(drop)
    }

    /// Takes this signal and no other.
    pub(super) fn only(signal: i32) -> io::Result<()> {
        let mut mask = Self::of(libc::sigfillset);
        // SAFETY: the set was initialised by `of`.
        unsafe { libc::sigdelset(&raw mut mask.0, signal) };
        mask.restore()
    }

    fn of(fill: unsafe extern "C" fn(*mut libc::sigset_t) -> libc::c_int) -> Self {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the whole set, and cannot fail on a valid pointer.
        unsafe {
            fill(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    fn swap(self) -> io::Result<Self> {
        let mut before = Self::of(libc::sigemptyset);
        // SAFETY: both sets are initialised. Called in a forked child too: it is async-signal-safe.
        let error = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, &raw mut before.0) };
        match error {
            0 => Ok(before),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Ignores a signal from now on.
pub(super) fn ignore(signal: i32) -> io::Result<()> {
    set_disposition(signal, libc::SIG_IGN)
}

fn set_disposition(signal: i32, disposition: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: zero is a valid sigaction: no flags, an empty mask.
    let mut action = unsafe { std::mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = disposition;
    // Without SA_RESTART every thread's system calls would have to expect interruption.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is initialised, and the handler only does what is async-signal-safe.
    match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn write_to_pipe(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: write is async-signal-safe and the byte outlives it. The thread that was interrupted must find its errno as
    // it left it, which is why rustix's and std's own calls are not used.
    unsafe {
        let errno = errno_location();
        let before = *errno;
        libc::write(PIPE.load(Ordering::Acquire), (&raw const byte).cast(), 1);
        *errno = before;
    }
}

/// SAFETY: as the libc's own function: always valid for the calling thread.
unsafe fn errno_location() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    // SAFETY: no preconditions.
    return unsafe { libc::__errno_location() };
    #[cfg(not(any(target_os = "linux", target_os = "emscripten")))]
    // SAFETY: no preconditions.
    return unsafe { libc::__error() };
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn close_on_exec_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Called while the process has one thread: nothing is started between the two steps.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn close_on_exec_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe()?;
    for end in [&read, &write] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((read, write))
}
