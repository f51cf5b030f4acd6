//! Whether this session, and the target's rights, let input of ours through.

use std::{io, ptr::null_mut};

use windows_sys::Win32::{
    Foundation::{CloseHandle, HANDLE},
    Security::{
        GetSidSubAuthority, GetSidSubAuthorityCount, GetTokenInformation, TOKEN_MANDATORY_LABEL, TOKEN_QUERY,
        TokenIntegrityLevel,
    },
    System::{
        StationsAndDesktops::{
            CloseDesktop, DESKTOP_READOBJECTS, GetUserObjectInformationW, HDESK, OpenInputDesktop, UOI_NAME,
        },
        Threading::{GetCurrentProcess, OpenProcessToken},
    },
};

use super::window::Process;
use crate::desktop::Refusal;

/// The desktop of programs; others are the screen lock and the secure prompts.
pub(super) const ORDINARY: &str = "Default";

/// Names the desktop that has the input devices now.
///
/// # Errors
/// This session has none: a service, or a session that is disconnected or locked.
pub(super) fn input_desktop() -> io::Result<String> {
    struct Desk(HDESK);
    impl Drop for Desk {
        fn drop(&mut self) {
            // SAFETY: opened below, and closed here alone.
            unsafe { CloseDesktop(self.0) };
        }
    }
    // SAFETY: takes numbers, and gives a handle or null.
    let desk = Desk(unsafe { OpenInputDesktop(0, 0, DESKTOP_READOBJECTS) });
    if desk.0.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut name = [0_u16; 128];
    let mut bytes = 0;
    // SAFETY: the text is of that size and outlives the call.
    let told = unsafe {
        GetUserObjectInformationW(desk.0, UOI_NAME, name.as_mut_ptr().cast(), size_of_val(&name) as u32, &raw mut bytes)
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    let length = (bytes as usize / 2).saturating_sub(1).min(name.len());
    Ok(String::from_utf16_lossy(&name[..length]))
}

/// Refuses where input of ours would reach no program.
pub(super) fn refuse_other_desktops() -> Result<(), Refusal> {
    let refused = |why: String| Refusal::NoDisplay { display: "of this session".into(), why };
    match input_desktop() {
        Ok(name) if name == ORDINARY => Ok(()),
        Ok(name) => Err(refused(format!("the desktop `{name}` has the input (a screen lock or a secure prompt)"))),
        Err(error) => Err(refused(format!("it has no input devices, or is locked: {error}"))),
    }
}

/// How trusted a process is, in the numbers of Windows: medium is 0x2000, high 0x3000.
fn integrity(process: HANDLE) -> io::Result<u32> {
    struct Token(HANDLE);
    impl Drop for Token {
        fn drop(&mut self) {
            // SAFETY: opened below, and closed here alone.
            unsafe { CloseHandle(self.0) };
        }
    }
    let mut token = Token(null_mut());
    // SAFETY: the handle outlives the call.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token.0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // Eight-byte units, for the structure's alignment; a label is far smaller.
    let mut space = [0_u64; 16];
    let mut used = 0;
    // SAFETY: the space is of that size and outlives the call.
    let told = unsafe {
        let size = size_of_val(&space) as u32;
        GetTokenInformation(token.0, TokenIntegrityLevel, space.as_mut_ptr().cast(), size, &raw mut used)
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: Windows has written a label there, whose identifier lies in the same space; its last part is the level.
    unsafe {
        let sid = (*space.as_ptr().cast::<TOKEN_MANDATORY_LABEL>()).Label.Sid;
        let parts = u32::from(*GetSidSubAuthorityCount(sid));
        Ok(*GetSidSubAuthority(sid, parts.saturating_sub(1)))
    }
}

/// Our own level.
pub(super) fn own_integrity() -> io::Result<u32> {
    // SAFETY: a constant of Windows that needs no closing.
    integrity(unsafe { GetCurrentProcess() })
}

/// Refuses a target with more rights than ours: Windows drops our keys there and says nothing (UIPI).
pub(super) fn refuse_higher_rights(pid: u32, description: &str) -> Result<(), Refusal> {
    let theirs = Process::open(pid).and_then(|process| integrity(process.0));
    let ours = own_integrity();
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) if theirs <= ours => Ok(()),
        (Ok(theirs), Ok(ours)) => {
            Err(Refusal::HigherRights(format!("{description} (integrity {theirs:#x}, ours {ours:#x})")))
        }
        // Who may not be asked has more rights than we have.
        (Err(error), _) | (_, Err(error)) => Err(Refusal::HigherRights(format!("{description} ({error})"))),
    }
}
