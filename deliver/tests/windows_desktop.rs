//! The portable driver on a Windows desktop, with a window of its own process: what arrives, and what is claimed.

#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    ptr::null_mut,
    sync::{Arc, Mutex},
    time::Duration,
};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, Profile, Receipt, SendOptions, State, SurfaceKind,
    desktop::{
        Bound, Desktop as _, DesktopSurface, Place, Refusal, Selection, WindowIdentity, portable::PortableDesktop,
    },
};
use lock_core::{AcquireOptions, BlockingGuard, BlockingLock, LockKey, Moment, ThreadLock};
use windows_sys::Win32::{
    Foundation::HWND,
    UI::{
        Input::KeyboardAndMouse::{
            INPUT, INPUT_0, INPUT_KEYBOARD, KEYBDINPUT, KEYEVENTF_KEYUP, SendInput, SetFocus, VK_F24, VK_RETURN,
        },
        WindowsAndMessaging::{
            BringWindowToTop, CreateWindowExW, DispatchMessageW, ES_AUTOVSCROLL, ES_MULTILINE, GetMessageW,
            GetWindowTextLengthW, GetWindowTextW, MSG, SetForegroundWindow, SetWindowTextW, TranslateMessage,
            WM_KEYDOWN, WM_LBUTTONDOWN, WS_OVERLAPPEDWINDOW, WS_VISIBLE,
        },
    },
};

/// The title of the window, and its corner, of the process that plays it.
const TITLE: &str = "WINDOW_TITLE";
const AT: &str = "WINDOW_AT";
const READY: &str = "window: ready";
const SUBMITTED: &str = "window: submitted ";
const DRAFT: &str = "window: draft ";
const DEADLINE: Duration = Duration::from_secs(20);

/// One desktop for all tests of this program: one at a time has it.
static DESKTOP: Mutex<()> = Mutex::new(());

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// An input box: Windows' own edit control as a window, where Return submits. Told "draft", it says what stands in it.
#[test]
#[ignore = "a role that other tests start"]
fn window_role() {
    let Ok(title) = std::env::var(TITLE) else { return };
    let at: i32 = std::env::var(AT).unwrap().parse().unwrap();
    let style = WS_OVERLAPPEDWINDOW | WS_VISIBLE | ES_MULTILINE as u32 | ES_AUTOVSCROLL as u32;
    // SAFETY: a class of Windows itself; the texts outlive the call.
    let window = unsafe {
        let (class, title) = (wide("EDIT"), wide(&title));
        CreateWindowExW(
            0,
            class.as_ptr(),
            title.as_ptr(),
            style,
            at,
            50,
            300,
            200,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
        )
    };
    assert!(!window.is_null());
    // An edit control's text is its title too; it is emptied when it is first clicked.
    let mut fresh = true;
    say(READY);
    let number = window as usize;
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            match line.as_deref() {
                Ok("draft") => say(&format!("{DRAFT}{:?}", text_of(number as HWND))),
                // SAFETY: takes a window of this process.
                Ok("front") => drop(unsafe { (SetForegroundWindow(number as HWND), BringWindowToTop(number as HWND)) }),
                Ok("key") => stray_key(),
                _ => std::process::exit(0),
            }
        }
        std::process::exit(0);
    });
    let mut message = MSG::default();
    // SAFETY: the ordinary loop of the thread that owns the window.
    while unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) } > 0 {
        if message.message == WM_LBUTTONDOWN {
            if std::mem::take(&mut fresh) {
                empty(window);
            }
            // SAFETY: a window of this thread.
            unsafe { SetFocus(window) };
        }
        if message.message == WM_KEYDOWN && message.wParam == usize::from(VK_RETURN) {
            say(&format!("{SUBMITTED}{:?}", text_of(window)));
            empty(window);
            continue;
        }
        // SAFETY: as above.
        unsafe {
            TranslateMessage(&raw const message);
            DispatchMessageW(&raw const message);
        }
    }
}

/// A key of somebody else's, which no program takes for anything.
fn stray_key() {
    for flags in [0, KEYEVENTF_KEYUP] {
        let ki = KEYBDINPUT { wVk: VK_F24, wScan: 0, dwFlags: flags, time: 0, dwExtraInfo: 0 };
        let input = INPUT { r#type: INPUT_KEYBOARD, Anonymous: INPUT_0 { ki } };
        // SAFETY: one structure of that size.
        unsafe { SendInput(1, &raw const input, i32::try_from(size_of::<INPUT>()).unwrap()) };
    }
}

fn text_of(window: HWND) -> String {
    // SAFETY: a window of this process; the text is of that length.
    let text = unsafe {
        let mut text = vec![0; usize::try_from(GetWindowTextLengthW(window)).unwrap() + 1];
        let length = GetWindowTextW(window, text.as_mut_ptr(), i32::try_from(text.len()).unwrap());
        String::from_utf16(&text[..usize::try_from(length).unwrap()]).unwrap()
    };
    text.replace("\r\n", "\n")
}

fn empty(window: HWND) {
    // SAFETY: a window of this process; the text outlives the call.
    unsafe { SetWindowTextW(window, wide("").as_ptr()) };
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// A process with such a window.
struct Window {
    title: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Window {
    fn open(title: &str, at: i32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["window_role", "--exact", "--ignored", "--nocapture"]).env(TITLE, title).env(AT, at.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut window = Self { title: title.to_owned(), child, stdin, lines };
        window.line(READY);
        window
    }

    fn place(&self) -> Place {
        let window = WindowIdentity { pid: Some(self.child.id()), ..WindowIdentity::default() };
        Place { point: None, window: Some(window) }
    }

    /// What the next line of that kind says.
    fn line(&mut self, kind: &str) -> String {
        let found = self
            .lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(kind).map(|(_, rest)| rest.to_owned()));
        found.unwrap_or_else(|| panic!("{} ended", self.title))
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
    }

    fn draft(&mut self) -> String {
        self.tell("draft");
        self.line(DRAFT)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Sender {
    deliverer: Deliverer,
    runtime: tokio::runtime::Runtime,
    _root: tempfile::TempDir,
}

impl Sender {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let name = LockKey::new("desktop/windows").unwrap();
        let surface = DesktopSurface::new(|| Ok(Box::new(PortableDesktop::connect()?)));
        let journal = Journal::open(root.path(), &name).unwrap();
        let deliverer =
            Deliverer::new(DesktopLocks::alone(Arc::new(ThreadLock::new()), name), Arc::new(surface), journal);
        Self { deliverer, runtime: tokio::runtime::Runtime::new().unwrap(), _root: root }
    }

    fn send(&self, window: &Window, text: &str, timeout: Duration) -> Receipt {
        let (name, place) = (window.title.clone(), window.place());
        let agent = Agent { name, surface: SurfaceKind::Desktop, place, profile: Profile::default() };
        let (message, _) = Message::new(text).unwrap();
        let options = SendOptions { timeout, ..SendOptions::default() };
        self.runtime.block_on(self.deliverer.send(&message, &agent, &options)).unwrap()
    }
}

#[test]
fn each_message_arrives_in_its_window_and_is_claimed_when_the_window_itself_has_read_it() {
    let _one = DESKTOP.lock().unwrap();
    let mut windows = [Window::open("first", 40), Window::open("second", 400)];
    let sender = Sender::new();
    for nth in 0..8 {
        let window = &mut windows[nth % 2];
        let text = format!("message {nth}\nsecond line \u{1f642}");
        let receipt = sender.send(window, &text, DEADLINE);
        assert_eq!((receipt.state, receipt.submitted), (State::Submitted, true), "{receipt:?}");
        assert_eq!(window.line(SUBMITTED), format!("{text:?}"), "{receipt:?}");
    }
    for window in &mut windows {
        assert_eq!(window.draft(), "\"\"");
    }
}

/// Up to the paste, without the protocol.
fn ready(driver: &mut PortableDesktop, guard: &BlockingGuard, window: &Window) -> Result<Bound, Refusal> {
    let permit = guard.permit();
    let target = driver.bind(&window.place())?;
    driver.sweep(&permit)?;
    driver.click(&permit, &target)?;
    driver.await_focus(&target, Moment::now() + DEADLINE)?;
    driver.offer(&permit, "text", Selection::Clipboard)?;
    Ok(target)
}

/// Up to the fetch.
fn paste(driver: &mut PortableDesktop, guard: &BlockingGuard, window: &Window) -> Result<Bound, Refusal> {
    let (permit, target) = (guard.permit(), ready(driver, guard, window)?);
    driver.paste(&permit, &target, &"ctrl+v".parse().unwrap(), &"m".parse().unwrap())?;
    driver.await_fetched(&target, Profile::default().fetch_rule(), Moment::now() + DEADLINE)?;
    Ok(target)
}

fn guard() -> BlockingGuard {
    let lock = BlockingLock::new(Arc::new(ThreadLock::new()));
    lock.acquire(&LockKey::new("desktop/windows").unwrap(), &AcquireOptions::default()).unwrap()
}

#[test]
fn no_enter_follows_when_another_window_has_come_to_the_foreground() {
    let _one = DESKTOP.lock().unwrap();
    let (mut target, mut other) = (Window::open("target", 40), Window::open("other", 400));
    let (mut driver, guard) = (PortableDesktop::connect().unwrap(), guard());
    let bound = paste(&mut driver, &guard, &target).unwrap();
    other.tell("front");
    other.draft();
    let refused = driver.submit(&guard.permit(), &bound, &"return".parse().unwrap(), true);
    assert!(matches!(refused, Err(Refusal::FocusElsewhere { .. })), "{refused:?}");
    assert_eq!(target.draft(), "\"text\"");
}

#[test]
fn no_enter_follows_when_the_clipboard_was_taken() {
    let _one = DESKTOP.lock().unwrap();
    let mut target = Window::open("target", 40);
    let (mut driver, guard) = (PortableDesktop::connect().unwrap(), guard());
    let bound = paste(&mut driver, &guard, &target).unwrap();
    arboard::Clipboard::new().unwrap().set_text("stolen").unwrap();
    let refused = driver.submit(&guard.permit(), &bound, &"return".parse().unwrap(), true);
    assert!(matches!(refused, Err(Refusal::ClipboardTaken { .. })), "{refused:?}");
    assert_eq!(target.draft(), "\"text\"");
}

#[test]
fn a_window_that_comes_up_with_the_keys_is_seen() {
    let _one = DESKTOP.lock().unwrap();
    let (target, mut other) = (Window::open("target", 40), Window::open("other", 400));
    let (mut driver, guard) = (PortableDesktop::connect().unwrap(), guard());
    let bound = paste(&mut driver, &guard, &target).unwrap();
    let mut claimed = 0;
    for _ in 0..20 {
        other.tell("front");
        match driver.submit(&guard.permit(), &bound, &"return".parse().unwrap(), true) {
            Ok(()) => claimed += 1,
            Err(Refusal::FocusElsewhere { .. } | Refusal::PressNotSeen { .. } | Refusal::Interference { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(claimed < 20, "the foreground changed and nothing was seen of it");
}

/// As another process finds it: nobody knows where the text stands.
#[test]
fn what_went_astray_is_told_once_in_each_window() {
    let _one = DESKTOP.lock().unwrap();
    let (target, mut other) = (Window::open("target", 40), Window::open("other", 400));
    let guard = guard();
    // Somewhere from the last look before the keys to the first one after them.
    let astray = (0..20).map(|tens| Duration::from_millis(10 * tens)).find(|delay| {
        let mut driver = PortableDesktop::connect().unwrap();
        let bound = ready(&mut driver, &guard, &target).unwrap();
        let (chord, id) = ("ctrl+v".parse().unwrap(), "astray".parse().unwrap());
        let pasted = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(*delay);
                other.tell("front");
            });
            driver.paste(&guard.permit(), &bound, &chord, &id)
        });
        other.draft();
        matches!(pasted, Err(Refusal::PressNotSeen { .. }))
    });
    assert!(astray.is_some(), "no keys went where they were not seen to go");
    for earlier in [Some("the message astray"), None] {
        let mut driver = PortableDesktop::connect().unwrap();
        let bound = ready(&mut driver, &guard, &other).unwrap();
        let chord = "ctrl+v".parse().unwrap();
        let unsent = driver.paste(&guard.permit(), &bound, &chord, &"next".parse().unwrap()).unwrap();
        assert_eq!(unsent.map(|unsent| unsent.to_string()).as_deref(), earlier);
        driver.await_fetched(&bound, Profile::default().fetch_rule(), Moment::now() + DEADLINE).unwrap();
        driver.submit(&guard.permit(), &bound, &"return".parse().unwrap(), true).unwrap();
    }
}

#[test]
fn somebody_at_the_keyboard_is_seen_and_waited_for() {
    const IDLE: Duration = Duration::from_millis(300);
    let _one = DESKTOP.lock().unwrap();
    let (mut target, mut stranger) = (Window::open("target", 40), Window::open("stranger", 400));
    let (mut driver, guard) = (PortableDesktop::connect().unwrap(), guard());
    driver.watch(None, IDLE).unwrap();
    let bound = paste(&mut driver, &guard, &target).unwrap();
    stranger.tell("key");
    stranger.draft();
    let refused = driver.submit(&guard.permit(), &bound, &"return".parse().unwrap(), true);
    assert!(matches!(refused, Err(Refusal::Person { .. })), "{refused:?}");
    let hindered = driver.still_hindered(refused.as_ref().err(), Some(&bound), DEADLINE).unwrap();
    assert!(matches!(hindered, Some(Refusal::Person { .. })), "{hindered:?}");
    driver.unwatch();
    // Another connection hears nothing of the past, so it listens first; and a key within that time is somebody's.
    let listener = std::thread::spawn(move || PortableDesktop::connect().unwrap().watch(None, DEADLINE));
    while !listener.is_finished() {
        stranger.tell("key");
        stranger.draft();
    }
    let refused = listener.join().unwrap();
    assert!(matches!(refused, Err(Refusal::Person { .. })), "{refused:?}");
    assert_eq!(target.draft(), "\"text\"");
}

#[test]
fn what_was_on_the_clipboard_comes_back_when_nothing_was_pasted() {
    let _one = DESKTOP.lock().unwrap();
    let target = Window::open("target", 40);
    let (mut driver, guard) = (PortableDesktop::connect().unwrap(), guard());
    let mut clipboard = arboard::Clipboard::new().unwrap();
    clipboard.set_text("before").unwrap();
    let permit = guard.permit();
    let bound = driver.bind(&target.place()).unwrap();
    driver.sweep(&permit).unwrap();
    driver.click(&permit, &bound).unwrap();
    driver.offer(&permit, "text", Selection::Clipboard).unwrap();
    driver.restore(&permit).unwrap();
    assert_eq!(clipboard.get_text().unwrap(), "before");
    // And the promise outlives its maker as plain text.
    driver.offer(&permit, "kept", Selection::Clipboard).unwrap();
    drop(driver);
    assert_eq!(clipboard.get_text().unwrap(), "kept");
}

#[test]
fn a_covered_or_closed_window_is_not_typed_into() {
    let _one = DESKTOP.lock().unwrap();
    let (mut below, mut above) = (Window::open("below", 60), Window::open("above", 60));
    above.tell("front");
    above.draft();
    let receipt = Sender::new().send(&below, "text", Duration::from_secs(2));
    assert_eq!((receipt.state, receipt.reason.unwrap().code.as_ref()), (State::Rejected, "covered"));
    drop(above);
    let mut driver = PortableDesktop::connect().unwrap();
    let place = below.place();
    driver.bind(&place).unwrap();
    below.child.kill().unwrap();
    below.child.wait().unwrap();
    let gone = driver.bind(&place);
    assert!(matches!(gone, Err(Refusal::TargetGone(_))), "{gone:?}");
}
