//! The child's pid in memory that `run`, the supervisor and the child share: telling it costs no system call and wakes
//! nobody.

use std::{
    io,
    ptr::NonNull,
    sync::atomic::{AtomicI32, Ordering},
};

use rustix::process::Pid;

/// A pid that processes forked later see too. Zero stands for none.
#[derive(Debug)]
pub(super) struct SharedPid(NonNull<AtomicI32>);

impl SharedPid {
    /// None yet.
    pub(super) fn new() -> io::Result<Self> {
        let (length, access) = (size_of::<AtomicI32>(), libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0) };
        match memory {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            memory => NonNull::new(memory.cast()).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into()),
        }
    }

    pub(super) fn set(&self, pid: Option<Pid>) {
        self.number().store(pid.map_or(0, |pid| pid.as_raw_nonzero().get()), Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<Pid> {
        Pid::from_raw(self.number().load(Ordering::Acquire))
    }

    fn number(&self) -> &AtomicI32 {
        // SAFETY: the page is mapped, zeroed and aligned, lives as long as `self`, and is only used atomically.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedPid {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no reference outlives `self`. Other processes keep their mapping.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<AtomicI32>()) };
    }
}

// SAFETY: only atomics are behind the pointer, and the mapping is the whole process's.
unsafe impl Send for SharedPid {}
// SAFETY: as above.
unsafe impl Sync for SharedPid {}
