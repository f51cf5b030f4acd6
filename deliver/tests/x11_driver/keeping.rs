//! The clipboard's keeper: what it serves after its sender, what it puts back, and when it ends.

use std::{io::Write as _, os::unix::net::UnixStream, path::PathBuf, process::Command};

use deliver::agent_windows::{Behaviour, Fetch};
use deliver::desktop::{Desktop as _, Refusal, Selection, x11};
use lock_core::Moment;
use tests::{
    clipboard::{self, Answer, ClipboardOwner},
    messages::Messages,
    probe::until,
    process::Process,
    require,
    xvfb::Xvfb,
};
use x11rb::{
    CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, Window, WindowClass},
    },
    rust_connection::RustConnection,
};

use crate::desk::{DEADLINE, Desk, ONCE, deliver, guard, keeper_command, paste};

const SENDER_DISPLAY: &str = "X11_SENDER_DISPLAY";
const SENDER_POINT: &str = "X11_SENDER_POINT";
const SENDER_BYTES: &str = "X11_SENDER_BYTES";

/// A sender that pastes, says so, and does no more.
#[test]
#[ignore = "a role that other tests start"]
fn sender_role() {
    let Ok(display) = std::env::var(SENDER_DISPLAY) else { return };
    let place = serde_json::from_str(&std::env::var(SENDER_POINT).unwrap()).unwrap();
    let mut driver = x11::X11Desktop::connect(Some(&display), &keeper_command()).unwrap();
    let bytes = std::env::var(SENDER_BYTES).unwrap().parse().unwrap();
    paste(&mut driver, &guard(), &place, &text_of(bytes)).unwrap();
    writeln!(std::io::stdout(), "\npasted").unwrap();
    loop {
        std::thread::park();
    }
}

/// What a sender process sends: too long for its environment.
fn text_of(bytes: usize) -> String {
    Messages::new(5).of_length(bytes)
}

fn sender(desk: &Desk, bytes: usize) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["keeping::sender_role", "--exact", "--ignored", "--nocapture"]);
    command.env(SENDER_DISPLAY, desk.display()).env(SENDER_BYTES, bytes.to_string());
    command.env(SENDER_POINT, serde_json::to_string(&desk.point(0)).unwrap());
    let process = Process::start(command);
    process.expect_line("that it has pasted", |line| (line == "pasted").then_some(()));
    process
}

pub(crate) fn read(display: &str) -> Option<String> {
    clipboard::read(display, clipboard::Selection::Clipboard, DEADLINE)
}

#[test]
fn a_killed_sender_s_text_is_still_served() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour { fetch: Fetch::AfterMs(300), ..Behaviour::default() });
    let text = text_of(300 * 1024);
    // Killed with the target's request still to come.
    sender(&desk, text.len()).kill();
    until(DEADLINE, "the text came", || desk.settled().1 == [text.clone()]);
    assert_eq!(read(desk.display()), Some(text));
    deliver(&mut desk.driver(), &guard(), &desk.point(0), " and more", ONCE).unwrap();
}

#[test]
fn a_dead_sender_s_text_makes_room_for_what_was_there_before() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let _person = ClipboardOwner::own(desk.display(), clipboard::Selection::Clipboard, "a person's", Answer::Whole);
    sender(&desk, 99).kill();
    assert_eq!(read(desk.display()), Some(text_of(99)));
    until(DEADLINE, "the person's text is back", || read(desk.display()).as_deref() == Some("a person's"));
}

#[test]
fn an_empty_clipboard_is_empty_again() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    deliver(&mut desk.driver(), &guard(), &desk.point(0), "text", ONCE).unwrap();
    until(DEADLINE, "it is empty", || read(desk.display()).is_none());
}

#[test]
fn in_a_busy_line_the_last_sender_gives_back() {
    require!("Xvfb");
    let desk = Desk::with(2, Behaviour::default());
    let guard = guard();
    let _person = ClipboardOwner::own(desk.display(), clipboard::Selection::Clipboard, "a person's", Answer::Whole);
    let (mut first, mut second) = (desk.driver(), desk.driver());
    deliver(&mut first, &guard, &desk.point(0), "one", ONCE).unwrap();
    assert_eq!(read(desk.display()).as_deref(), Some("one"), "the second sender is in line");
    deliver(&mut second, &guard, &desk.point(1), "two", ONCE).unwrap();
    until(DEADLINE, "the person's text is back", || read(desk.display()).as_deref() == Some("a person's"));
    // One that came and never sends is not waited for for ever.
    let _idle = desk.driver();
    deliver(&mut first, &guard, &desk.point(0), "three", ONCE).unwrap();
    until(DEADLINE, "the person's text is back", || read(desk.display()).as_deref() == Some("a person's"));
}

pub(crate) fn client(display: &str) -> (RustConnection, Window) {
    let (connection, screen) = RustConnection::connect(Some(display)).unwrap();
    let window = connection.generate_id().unwrap();
    let root = connection.setup().roots[screen].root;
    let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    connection.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_OUTPUT, 0, &aux).unwrap();
    connection.get_input_focus().unwrap().reply().unwrap();
    (connection, window)
}

pub(crate) fn atom(connection: &RustConnection, name: &str) -> Atom {
    connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
}

/// One format of the clipboard: element size and bytes, `None` when it is refused.
pub(crate) fn convert(display: &str, target: &str) -> Option<(u8, Vec<u8>)> {
    let (connection, window) = client(display);
    let (clipboard, target) = (atom(&connection, "CLIPBOARD"), atom(&connection, target));
    let into = atom(&connection, "CONVERTED_HERE");
    connection.convert_selection(window, clipboard, target, into, CURRENT_TIME).unwrap();
    connection.flush().unwrap();
    loop {
        if let Event::SelectionNotify(answer) = connection.wait_for_event().unwrap() {
            if answer.property == NONE {
                return None;
            }
            let read = connection.get_property(true, window, into, AtomEnum::ANY, 0, 1 << 20).unwrap();
            let read = read.reply().unwrap();
            return Some((read.format, read.value));
        }
    }
}

#[test]
fn every_format_that_is_offered_is_served() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour { fetch: Fetch::Never, ..Behaviour::default() });
    let (mut driver, guard) = (desk.driver(), guard());
    let offer = |driver: &mut x11::X11Desktop, text: &str| driver.offer(&guard.permit(), text, Selection::Clipboard);
    offer(&mut driver, "gr\u{fc}n").unwrap();
    let (bits, targets) = convert(desk.display(), "TARGETS").unwrap();
    assert_eq!(bits, 32);
    let (connection, _) = client(desk.display());
    let offered: Vec<Atom> = targets.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
    for target in &offered {
        let name = connection.get_atom_name(*target).unwrap().reply().unwrap().name;
        let name = String::from_utf8(name).unwrap();
        // MULTIPLE needs a list of its own.
        if name != "MULTIPLE" {
            assert!(convert(desk.display(), &name).is_some(), "{name}");
        }
    }
    assert_eq!(convert(desk.display(), "UTF8_STRING").unwrap().1, "gr\u{fc}n".as_bytes());
    assert_eq!(convert(desk.display(), "STRING").unwrap().1, b"gr\xfcn");
    assert_eq!(convert(desk.display(), "x-kde-passwordManagerHint").unwrap().1, b"secret");
    offer(&mut driver, "\u{20ac}").unwrap();
    assert_eq!(convert(desk.display(), "STRING"), None, "it does not fit into Latin-1");
    assert_eq!(convert(desk.display(), "image/png"), None);
}

#[test]
fn a_keeper_that_is_not_needed_ends_and_one_ends_with_its_display() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let display = xvfb.display().to_owned();
    // The keeper of a display of the same number that has just ended may not have noticed yet.
    until(DEADLINE, "no keeper runs", || !x11::keeper::is_running(&display).unwrap());
    let driver = x11::X11Desktop::connect(Some(&display), &keeper_command()).unwrap();
    assert!(x11::keeper::is_running(&display).unwrap());
    drop(driver);
    until(DEADLINE, "the keeper ends", || !x11::keeper::is_running(&display).unwrap());
    let _driver = x11::X11Desktop::connect(Some(&display), &keeper_command()).unwrap();
    assert!(x11::keeper::is_running(&display).unwrap());
    drop(xvfb);
    until(DEADLINE, "the keeper ends with its display", || !x11::keeper::is_running(&display).unwrap());
}

#[test]
fn many_senders_start_one_keeper() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let drivers: Vec<x11::X11Desktop> = std::thread::scope(|scope| {
        let connecting: Vec<_> = (0..8).map(|_| scope.spawn(|| desk.driver())).collect();
        connecting.into_iter().map(|driver| driver.join().unwrap()).collect()
    });
    let guard = guard();
    for (nth, mut driver) in drivers.into_iter().enumerate() {
        deliver(&mut driver, &guard, &desk.point(0), &nth.to_string(), ONCE).unwrap();
    }
    let expected: Vec<_> = (0..8).map(|nth| (0, nth.to_string())).collect();
    assert_eq!(desk.submitted(8), expected);
}

#[test]
fn a_keeper_survives_hostile_connections() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let mut driver = desk.driver();
    let socket = keeper_socket(desk.display());
    let silent: Vec<UnixStream> = (0..8).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    for garbage in [&b"GET / HTTP/1.1\r\n"[..], &[0xff; 5000], &[0; 64], b"", &[0, 255, 255, 255, 255]] {
        let mut hostile = UnixStream::connect(&socket).unwrap();
        // It may be hung up on in the middle.
        hostile.write_all(garbage).ok();
    }
    deliver(&mut driver, &guard(), &desk.point(0), "text", ONCE).unwrap();
    assert_eq!(desk.submitted(1), [(0, "text".to_owned())]);
    drop(silent);
}

fn keeper_socket(display: &str) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("talkstick"));
    let uid = rustix::process::getuid().as_raw();
    let folders = runtime.into_iter().chain([PathBuf::from(format!("/tmp/talkstick-{uid}"))]);
    let name = format!("keeper-{}.sock", display.trim_start_matches(':'));
    folders.map(|folder| folder.join(&name)).find(|socket| socket.exists()).unwrap()
}

#[test]
fn a_program_that_does_not_become_a_keeper_is_named() {
    require!("Xvfb", "true");
    let xvfb = Xvfb::start();
    let command = x11::keeper::KeeperCommand::new("true", [""; 0]);
    let refused = x11::X11Desktop::connect(Some(xvfb.display()), &command).unwrap_err();
    assert!(matches!(&refused, Refusal::NoDisplay { why, .. } if why.contains("true ended")), "{refused}");
}

#[test]
fn a_keeper_that_says_nothing_is_not_waited_for_for_ever() {
    require!("Xvfb", "sleep");
    let xvfb = Xvfb::start();
    let (began, command) = (Moment::now(), x11::keeper::KeeperCommand::new("sleep", ["30"]));
    let refused = x11::X11Desktop::connect(Some(xvfb.display()), &command).unwrap_err();
    assert!(matches!(&refused, Refusal::NoDisplay { why, .. } if why.contains("it says nothing")), "{refused}");
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
}

#[test]
fn a_probe_says_what_a_display_offers() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    // The keeper of a display of the same number that has just ended may not have noticed yet.
    until(DEADLINE, "no keeper runs", || !x11::keeper::is_running(xvfb.display()).unwrap());
    let probe = x11::probe(Some(xvfb.display())).unwrap();
    assert!(probe.extensions.iter().all(|(_, present)| *present), "{probe:?}");
    assert_eq!((probe.xwayland, probe.window_manager, probe.keeper), (false, None, Ok(false)));
    assert_eq!(probe.screens[0].to_string(), "1600x1200+0+0");
    assert!(matches!(x11::probe(Some(":no")), Err(Refusal::NoDisplay { .. })));
}
