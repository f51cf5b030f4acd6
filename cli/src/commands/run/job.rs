//! A job: a child with all that it starts, which the system ends as one.

use std::{
    ffi::c_void,
    io,
    os::windows::{
        io::{AsRawHandle, FromRawHandle, OwnedHandle},
        process::CommandExt,
    },
    process::{Child, Command},
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::INVALID_HANDLE_VALUE,
    System::{
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
        },
        JobObjects::{
            AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
            JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
            JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation, QueryInformationJobObject,
            SetInformationJobObject, TerminateJobObject,
        },
        Threading::{CREATE_SUSPENDED, OpenThread, ResumeThread, THREAD_SUSPEND_RESUME},
    },
};

/// How often a job that was ended is looked at: the end of a process that is not our child is told to nobody.
const PROBE: Duration = Duration::from_millis(2);

/// A job whose members end when its handle is closed, by us or by the end of this process.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    /// A job without members.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name: the handle is not inherited, and nobody else can open the job.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        let job = Self(owned(handle)?);
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    /// Starts a child in the job. It is a member before its first instruction, so nothing of it can be outside.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut child = command.creation_flags(CREATE_SUSPENDED).spawn()?;
        if let Err(error) = self.take_in(&child).and_then(|()| resume(child.id())) {
            // It has not run, and the error that matters is the one above.
            let _gone = child.kill().and_then(|()| child.wait());
            return Err(error);
        }
        Ok(child)
    }

    fn take_in(&self, child: &Child) -> io::Result<()> {
        // SAFETY: both handles are open.
        worked(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), child.as_raw_handle()) })
    }

    /// Ends all members, and returns when none is left.
    pub(super) fn end(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        worked(unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) })?;
        while self.members()? > 0 {
            std::thread::park_timeout(PROBE);
        }
        Ok(())
    }

    /// Leaves the members that there still are alone.
    pub(super) fn let_go(self) -> io::Result<()> {
        self.limit(0)
    }

    fn limit(&self, flags: u32) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        let (of, size) = ((&raw const limits).cast::<c_void>(), size_of_val(&limits) as u32);
        // SAFETY: the handle is open, and the structure is the one of this class.
        worked(unsafe { SetInformationJobObject(self.0.as_raw_handle(), JobObjectExtendedLimitInformation, of, size) })
    }

    fn members(&self) -> io::Result<u32> {
        let mut counts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let (to, size) = ((&raw mut counts).cast::<c_void>(), size_of_val(&counts) as u32);
        let (job, class) = (self.0.as_raw_handle(), JobObjectBasicAccountingInformation);
        // SAFETY: the handle is open, and the structure is the one of this class.
        worked(unsafe { QueryInformationJobObject(job, class, to, size, std::ptr::null_mut()) })?;
        Ok(counts.ActiveProcesses)
    }
}

/// Lets a process run that was started suspended. Its one thread is found by its number, as std keeps no handle of it.
fn resume(process: u32) -> io::Result<()> {
    for thread in threads()?.into_iter().filter(|thread| thread.th32OwnerProcessID == process) {
        // SAFETY: no preconditions.
        let thread = owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, thread.th32ThreadID) })?;
        // SAFETY: the handle is open.
        return match unsafe { ResumeThread(thread.as_raw_handle()) } {
            u32::MAX => Err(io::Error::last_os_error()),
            _ => Ok(()),
        };
    }
    Err(io::Error::other("its thread is not to be found"))
}

/// All threads of the system.
fn threads() -> io::Result<Vec<THREADENTRY32>> {
    // SAFETY: no preconditions.
    let snapshot = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..Default::default() };
    let mut found = Vec::new();
    // SAFETY: the snapshot is open, and the entry says its own size.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    while more {
        found.push(entry);
        // SAFETY: as above.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    }
    Ok(found)
}

fn owned(handle: *mut c_void) -> io::Result<OwnedHandle> {
    match handle.is_null() || handle == INVALID_HANDLE_VALUE {
        true => Err(io::Error::last_os_error()),
        // SAFETY: a new handle that nobody else owns.
        false => Ok(unsafe { OwnedHandle::from_raw_handle(handle) }),
    }
}

fn worked(outcome: i32) -> io::Result<()> {
    match outcome {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
