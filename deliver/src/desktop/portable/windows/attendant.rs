//! A thread with a message queue: it owns the clipboard's promise and hears which window comes to the foreground.
//!
//! Both need a queue that is served at once and by the thread that began them, whichever thread the driver runs on.

use std::{
    cell::RefCell,
    io,
    ptr::{null, null_mut},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use lock_core::Moment;
use windows_sys::Win32::{
    Foundation::{HWND, LPARAM, LRESULT, WPARAM},
    System::LibraryLoader::GetModuleHandleW,
    UI::{
        Accessibility::{HWINEVENTHOOK, SetWinEventHook, UnhookWinEvent},
        WindowsAndMessaging::{
            CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, EVENT_SYSTEM_FOREGROUND, GetMessageW,
            HWND_MESSAGE, MSG, PostMessageW, PostQuitMessage, RegisterClassW, SMTO_ABORTIFHUNG, SendMessageTimeoutW,
            WINEVENT_OUTOFCONTEXT, WM_APP, WM_CLOSE, WM_DESTROY, WM_DESTROYCLIPBOARD, WM_RENDERALLFORMATS,
            WM_RENDERFORMAT, WNDCLASSW,
        },
    },
};

use super::{
    listening,
    promise::{self, Reader},
    screens::RealPixels,
};

/// Asks for the promise to be made.
const WM_OFFER: u32 = WM_APP + 1;
/// Asks to listen to the input devices (1), or no longer (0).
const WM_LISTEN: u32 = WM_APP + 2;
/// How long the thread may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long the clipboard may be held by others.
const OFFER_WITHIN: Duration = Duration::from_secs(2);

/// What the thread has heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What is promised, as Windows writes text.
    pub(super) text: Vec<u16>,
    /// What is to be promised next.
    next: Vec<u16>,
    /// Who has asked for it since it was promised.
    pub(super) readers: Vec<Reader>,
    /// Whether the promise was replaced by somebody's content.
    pub(super) replaced: bool,
    /// How often a window came to the foreground, and when last.
    pub(super) foregrounds: u64,
    pub(super) last_foreground: Option<Moment>,
    /// The last input that was not ours since it is watched for: when, and by what.
    pub(super) other_input: Option<(Moment, &'static str)>,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Heard>,
    more: Condvar,
}

impl Shared {
    fn note(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.more.notify_all();
    }
}

thread_local! {
    /// The callbacks of Windows get no pointer of ours; they run on the attendant's thread.
    static HERE: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// Notes what a callback of Windows has heard, on the attendant's thread.
pub(super) fn here(note: impl FnOnce(&mut Heard)) {
    HERE.with_borrow(|shared| {
        if let Some(shared) = shared {
            shared.note(note);
        }
    });
}

/// The thread. Dropped, it leaves the promised text on the clipboard as plain content.
#[derive(Debug)]
pub(super) struct Attendant {
    shared: Arc<Shared>,
    /// The window of the thread, as a number: it is only ever handed back to Windows.
    window: usize,
    thread: Option<JoinHandle<()>>,
}

impl Attendant {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (said, ready) = mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("desktop-attendant".into()).spawn(move || {
            let _pixels = RealPixels::on_this_thread();
            HERE.set(Some(of_thread));
            match Open::new() {
                Ok(open) => {
                    let started = said.send(Ok(open.window as usize)).is_ok();
                    if started {
                        serve();
                    }
                }
                Err(error) => drop(said.send(Err(error))),
            }
        })?;
        let window = ready.recv().map_err(|_| io::Error::other("its thread ended"))??;
        Ok(Self { shared, window, thread: Some(thread) })
    }

    /// Promises `text` to whoever asks. What was there before is gone.
    pub(super) fn promise(&self, text: Vec<u16>) -> io::Result<()> {
        self.shared.note(|heard| heard.next = text);
        let until = Moment::now() + OFFER_WITHIN;
        loop {
            match self.ask(WM_OFFER, 0)? {
                0 => return Ok(()),
                // Another program has the clipboard open: for some microseconds, as a rule.
                code if until.is_past() => {
                    return Err(io::Error::from_raw_os_error(i32::try_from(code).unwrap_or(i32::MAX)));
                }
                _ => std::thread::yield_now(),
            }
        }
    }

    /// Listens to the input devices from now on, or no longer. While it does, Windows waits for this thread at each key.
    pub(super) fn listen(&self, on: bool) -> io::Result<()> {
        self.shared.note(|heard| heard.other_input = None);
        match self.ask(WM_LISTEN, on.into())? {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(i32::try_from(code).unwrap_or(i32::MAX))),
        }
    }

    /// Has the thread do something; its answer.
    fn ask(&self, what: u32, how: WPARAM) -> io::Result<usize> {
        let within = u32::try_from(ANSWER_WITHIN.as_millis()).unwrap_or(u32::MAX);
        let mut answer = 0;
        // SAFETY: the window is this process's own, and `answer` outlives the call.
        let answered = unsafe {
            SendMessageTimeoutW(self.window as HWND, what, how, 0, SMTO_ABORTIFHUNG, within, &raw mut answer)
        };
        if answered == 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
    }

    /// Waits until `found` finds what it looks for, or `until`.
    pub(super) fn wait<T>(&self, until: Moment, mut found: impl FnMut(&Heard) -> Option<T>) -> Option<T> {
        let mut heard = self.heard();
        loop {
            if let Some(found) = found(&heard) {
                return Some(found);
            }
            if until.is_past() {
                return None;
            }
            let waited = self.shared.more.wait_timeout(heard, until.remaining());
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn owns(&self, window: HWND) -> bool {
        self.window == window as usize
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        // SAFETY: the window is this process's own.
        let asked = unsafe { PostMessageW(self.window as HWND, WM_CLOSE, 0, 0) };
        if asked != 0
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the desktop's attendant panicked");
        }
    }
}

/// What the thread holds open.
struct Open {
    window: HWND,
    hook: HWINEVENTHOOK,
}

impl Open {
    fn new() -> io::Result<Self> {
        let class: Vec<u16> = "talkstick-attendant\0".encode_utf16().collect();
        // SAFETY: null names this program itself.
        let module = unsafe { GetModuleHandleW(null()) };
        let registration = WNDCLASSW {
            lpfnWndProc: Some(attend),
            hInstance: module,
            lpszClassName: class.as_ptr(),
            ..WNDCLASSW::default()
        };
        // SAFETY: the structure and the name outlive the call. A second registration fails and changes nothing.
        unsafe { RegisterClassW(&raw const registration) };
        // SAFETY: the class is registered; all pointers outlive the call.
        let window = unsafe {
            CreateWindowExW(0, class.as_ptr(), null(), 0, 0, 0, 0, 0, HWND_MESSAGE, null_mut(), module, null())
        };
        if window.is_null() {
            return Err(io::Error::last_os_error());
        }
        let (event, how) = (EVENT_SYSTEM_FOREGROUND, WINEVENT_OUTOFCONTEXT);
        // SAFETY: the callback is a function of this program, and the hook is taken off before the thread ends.
        let hook = unsafe { SetWinEventHook(event, event, null_mut(), Some(foreground), 0, 0, how) };
        let open = Self { window, hook };
        if open.hook.is_null() { Err(io::Error::last_os_error()) } else { Ok(open) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.hook.is_null() {
            // SAFETY: set by this thread, and not taken off yet.
            unsafe { UnhookWinEvent(self.hook) };
        }
    }
}

/// Serves the queue until the window is closed.
fn serve() {
    let mut message = MSG::default();
    // SAFETY: the structure outlives the calls, which are made by the thread that owns the queue.
    while unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) } > 0 {
        // SAFETY: as above.
        unsafe { DispatchMessageW(&raw const message) };
    }
}

unsafe extern "system" fn foreground(_: HWINEVENTHOOK, _: u32, _: HWND, _: i32, _: i32, _: u32, _: u32) {
    here(|heard| {
        heard.foregrounds += 1;
        heard.last_foreground = Some(Moment::now());
    });
}

unsafe extern "system" fn attend(window: HWND, message: u32, wide: WPARAM, long: LPARAM) -> LRESULT {
    match message {
        WM_OFFER => {
            let error = promise::make(window);
            if error == 0 {
                // Only now: making it ended the promise before, of which Windows has told in between.
                here(|heard| {
                    heard.text.clone_from(&heard.next);
                    heard.readers.clear();
                    heard.replaced = false;
                });
            }
            error
        }
        WM_LISTEN => listening::listen(wide != 0),
        WM_RENDERFORMAT => {
            let reader = Reader::now();
            let mut text = Vec::new();
            here(|heard| text.clone_from(&heard.text));
            promise::keep(&text);
            here(|heard| heard.readers.push(reader));
            0
        }
        WM_RENDERALLFORMATS => {
            let mut text = Vec::new();
            here(|heard| text.clone_from(&heard.text));
            promise::keep_for_good(window, &text);
            0
        }
        WM_DESTROYCLIPBOARD => {
            here(|heard| heard.replaced = true);
            0
        }
        WM_CLOSE => {
            // SAFETY: by the thread that made the window. Windows asks for the promised text while it does this.
            unsafe { DestroyWindow(window) };
            0
        }
        WM_DESTROY => {
            // SAFETY: ends the loop of this thread.
            unsafe { PostQuitMessage(0) };
            0
        }
        // SAFETY: hands on what Windows has sent, unchanged.
        _ => unsafe { DefWindowProcW(window, message, wide, long) },
    }
}
