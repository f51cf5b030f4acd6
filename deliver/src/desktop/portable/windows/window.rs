//! Windows: which lies under a point, whose it is, and what a person would call it.

use std::io;

use windows_sys::Win32::{
    Foundation::{CloseHandle, FILETIME, HANDLE, HWND, LPARAM, POINT, RECT},
    Graphics::Gdi::{ClientToScreen, ScreenToClient},
    System::Threading::{
        GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
    },
    UI::{
        Input::KeyboardAndMouse::{GetKeyboardLayout, HKL},
        WindowsAndMessaging::{
            EnumWindows, GA_ROOT, GUITHREADINFO, GetAncestor, GetClassNameW, GetClientRect, GetForegroundWindow,
            GetGUIThreadInfo, GetWindowThreadProcessId, InternalGetWindowText, IsIconic, IsWindowVisible,
            WindowFromPoint,
        },
    },
};
use windows_sys::core::BOOL;

use crate::desktop::{Refusal, WindowIdentity};

/// Of a title or a class, in UTF-16 units: more than a person reads.
const NAME_UNITS_MAX: usize = 256;

/// A top-level window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window(pub(super) HWND);

/// A window's process, told from a later one of the same number by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) pid: u32,
    started: u64,
}

/// An open process, closed when dropped.
pub(super) struct Process(pub(super) HANDLE);

impl Process {
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: takes numbers, and gives a handle or null.
        let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
        if process.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(process)) }
    }

    fn started(&self) -> io::Result<u64> {
        let mut times = [FILETIME::default(); 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: the process is open and the four outlive the call.
        let told =
            unsafe { GetProcessTimes(self.0, &raw mut *created, &raw mut *ended, &raw mut *kernel, &raw mut *user) };
        match told {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(u64::from(times[0].dwLowDateTime) | u64::from(times[0].dwHighDateTime) << 32),
        }
    }

    /// The program's file name.
    fn program(&self) -> Option<String> {
        let mut path = [0_u16; 1024];
        let mut length = 1024;
        // SAFETY: the text has that length and outlives the call.
        let told =
            unsafe { QueryFullProcessImageNameW(self.0, PROCESS_NAME_WIN32, path.as_mut_ptr(), &raw mut length) };
        let path = (told != 0).then(|| String::from_utf16_lossy(&path[..length as usize]))?;
        path.rsplit('\\').next().map(str::to_owned)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: opened by us, and closed here alone.
        unsafe { CloseHandle(self.0) };
    }
}

impl Window {
    /// The top-level window that a click at this point would reach.
    pub(super) fn at((x, y): (i32, i32)) -> Option<Self> {
        // SAFETY: takes a point, and gives a window or null.
        Self(unsafe { WindowFromPoint(POINT { x, y }) }).top()
    }

    /// The one that has the keyboard.
    pub(super) fn foreground() -> Option<Self> {
        // SAFETY: takes nothing, and gives a window or null.
        Self(unsafe { GetForegroundWindow() }).top()
    }

    fn top(self) -> Option<Self> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: a window that is gone gives null.
        let top = unsafe { GetAncestor(self.0, GA_ROOT) };
        (!top.is_null()).then_some(Self(top))
    }

    /// The one window that fits.
    pub(super) fn find(identity: &WindowIdentity) -> Result<Self, Refusal> {
        let fitting: Vec<Self> = all().into_iter().filter(|window| window.fits(identity)).collect();
        match fitting[..] {
            [] => Err(Refusal::TargetGone(format!("no window on the screen fits {identity:?}"))),
            [window] => Ok(window),
            _ => Err(Refusal::Ambiguous(fitting.len())),
        }
    }

    fn fits(self, identity: &WindowIdentity) -> bool {
        identity.class.as_ref().is_none_or(|class| self.class() == *class)
            && identity.title.as_ref().is_none_or(|title| self.title() == *title)
            && identity.pid.is_none_or(|pid| self.thread_and_pid().1 == pid)
    }

    /// Where a point of the desktop lies in its inner area.
    pub(super) fn offset_of(self, (x, y): (i32, i32)) -> Result<(i32, i32), Refusal> {
        let mut point = POINT { x, y };
        // SAFETY: the point outlives the call.
        match unsafe { ScreenToClient(self.0, &raw mut point) } {
            0 => Err(Refusal::TargetGone("its window was closed just now".into())),
            _ => Ok((point.x, point.y)),
        }
    }

    /// Where `offset`, or the middle, of its inner area lies on the desktop.
    pub(super) fn point(self, offset: Option<(i32, i32)>) -> Result<(i32, i32), Refusal> {
        let gone = || Refusal::TargetGone("its window was closed just now".into());
        let mut area = RECT::default();
        // SAFETY: the rectangle outlives the call.
        if unsafe { GetClientRect(self.0, &raw mut area) } == 0 {
            return Err(gone());
        }
        let (x, y) = offset.unwrap_or((area.right / 2, area.bottom / 2));
        if !(0..area.right).contains(&x) || !(0..area.bottom).contains(&y) {
            let why = format!("the point ({x}, {y}) lies outside its window of {}x{}", area.right, area.bottom);
            return Err(Refusal::TargetGone(why));
        }
        let mut point = POINT { x, y };
        // SAFETY: the point outlives the call.
        if unsafe { ClientToScreen(self.0, &raw mut point) } == 0 { Err(gone()) } else { Ok((point.x, point.y)) }
    }

    pub(super) fn thread_and_pid(self) -> (u32, u32) {
        let mut pid = 0;
        // SAFETY: the number outlives the call; a window that is gone gives 0.
        let thread = unsafe { GetWindowThreadProcessId(self.0, &raw mut pid) };
        (thread, pid)
    }

    /// The process it belongs to now.
    pub(super) fn owner(self) -> Result<Owner, Refusal> {
        let (_, pid) = self.thread_and_pid();
        if pid == 0 {
            return Err(Refusal::TargetGone("its window was closed".into()));
        }
        let started = Process::open(pid).and_then(|process| process.started());
        let started =
            started.map_err(|error| Refusal::TargetGone(format!("its process {pid} cannot be asked: {error}")))?;
        Ok(Owner { pid, started })
    }

    /// Whether the keyboard focus is on a window of its process. It is in the foreground, which is asked apart.
    pub(super) fn takes_keys(self) -> bool {
        let (thread, pid) = self.thread_and_pid();
        let mut info = GUITHREADINFO { cbSize: size_of::<GUITHREADINFO>() as u32, ..GUITHREADINFO::default() };
        // SAFETY: the structure says its size and outlives the call.
        let told = unsafe { GetGUIThreadInfo(thread, &raw mut info) } != 0;
        told && !info.hwndFocus.is_null() && Self(info.hwndFocus).thread_and_pid().1 == pid
    }

    /// The keyboard layout of its thread.
    pub(super) fn layout(self) -> HKL {
        // SAFETY: takes a number, and gives a layout.
        unsafe { GetKeyboardLayout(self.thread_and_pid().0) }
    }

    /// `title (program, pid N)`.
    pub(super) fn describe(self) -> String {
        let (_, pid) = self.thread_and_pid();
        let title = match self.title() {
            title if title.is_empty() => format!("a window of class {}", self.class()),
            title => title,
        };
        let program = Process::open(pid).ok().and_then(|process| process.program());
        match program {
            Some(program) => format!("{title} ({program}, pid {pid})"),
            None => format!("{title} (pid {pid})"),
        }
    }

    fn title(self) -> String {
        let mut text = [0; NAME_UNITS_MAX];
        // SAFETY: the text has that length. It asks Windows, not the program, which may hang.
        let length = unsafe { InternalGetWindowText(self.0, text.as_mut_ptr(), NAME_UNITS_MAX as i32) };
        printable(&text, length)
    }

    fn class(self) -> String {
        let mut text = [0; NAME_UNITS_MAX];
        // SAFETY: the text has that length.
        let length = unsafe { GetClassNameW(self.0, text.as_mut_ptr(), NAME_UNITS_MAX as i32) };
        printable(&text, length)
    }

    fn is_on_screen(self) -> bool {
        // SAFETY: takes a window, which may be gone.
        unsafe { IsWindowVisible(self.0) != 0 && IsIconic(self.0) == 0 }
    }
}

/// Titles are any program's to choose and end on terminals and in logs: no escape sequences.
fn printable(text: &[u16], length: i32) -> String {
    let text = String::from_utf16_lossy(text.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default());
    text.chars().filter(|c| !c.is_control()).collect()
}

fn all() -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    // SAFETY: `collect` gets the list back, which outlives the call.
    unsafe { EnumWindows(Some(collect), (&raw mut windows) as LPARAM) };
    windows.retain(|window| window.is_on_screen());
    windows
}

unsafe extern "system" fn collect(window: HWND, list: LPARAM) -> BOOL {
    // SAFETY: it is the list of `all`, lent to nobody else during the call.
    let list = unsafe { &mut *(list as *mut Vec<Window>) };
    list.push(Window(window));
    1
}
