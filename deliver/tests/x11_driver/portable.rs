//! The portable driver on X11: what arrives, and that nothing is claimed that was not seen.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

use deliver::{
    Profile, State,
    agent_windows::{Behaviour, Fetch, Waiting},
    desktop::{Desktop as _, Place, Refusal, portable::PortableDesktop, x11::XWayland},
};
use tests::{
    chromium::Chromium,
    clipboard::{self, Answer, ClipboardOwner},
    hand::{Hand, key},
    openbox::Openbox,
    require,
    xterm::{Xterm, XtermPaste},
    xvfb::Xvfb,
};
use x11rb::{
    CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, GrabMode, InputFocus, ModMask, Window},
    rust_connection::RustConnection,
};

use crate::desk::{DEADLINE, Desk, ONCE, chord, deliver, guard, keeper_command, paste, soon};
use crate::sender::Sender;

fn sender(display: &str) -> Sender {
    let display = display.to_owned();
    Sender::by(move || Ok(Box::new(PortableDesktop::connect(XWayland::Refuse, Some(&display), &keeper_command())?)))
}

fn all_are_submitted(behaviour: Behaviour) {
    let mut desk = Desk::with(4, behaviour);
    let sender = sender(desk.display());
    for nth in 0..60 {
        let (window, text) = (nth % 4, format!("message {nth}\nsecond line"));
        let receipt = sender.send(&format!("Agent-{window}"), desk.point(window), &Profile::default(), &text);
        assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
    }
    let (mut submitted, drafts) = desk.settled();
    submitted.sort_by_key(|(_, text)| text.split(' ').nth(1).and_then(|n| n.split('\n').next()?.parse::<u32>().ok()));
    let expected: Vec<_> = (0..60).map(|nth| (nth % 4, format!("message {nth}\nsecond line"))).collect();
    assert_eq!(submitted, expected);
    assert_eq!(drafts, Vec::<String>::new());
}

#[test]
fn each_message_arrives_in_windows_that_wait_for_their_paste() {
    require!("Xvfb");
    all_are_submitted(Behaviour::default());
}

#[test]
fn each_message_arrives_in_windows_that_do_not_wait() {
    require!("Xvfb");
    all_are_submitted(Behaviour { waiting: Waiting::Impatient, ..Behaviour::default() });
}

#[test]
fn each_message_arrives_where_keys_follow_the_pointer() {
    require!("Xvfb");
    all_are_submitted(Behaviour { focus_on_click: false, ..Behaviour::default() });
}

#[test]
fn each_message_arrives_in_terminals_under_a_window_manager() {
    require!("Xvfb", "xterm", "openbox");
    let xvfb = Xvfb::start();
    let _manager = Openbox::start(xvfb.display());
    let terminals = [(XtermPaste::CtrlShiftV, (0, 0)), (XtermPaste::ShiftInsertPrimary, (700, 0))];
    let terminals = terminals.map(|(paste, at)| Xterm::start_at(xvfb.display(), paste, "terminal", at));
    let sender = sender(xvfb.display());
    for nth in 0..20 {
        let (x, y) = terminals[nth % 2].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let profile = Profile::named(["terminal", "xterm"][nth % 2]).unwrap();
        let receipt = sender.send(&format!("Agent-{}", nth % 2), place, &profile, &format!("message {nth}"));
        assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
    }
    for (window, terminal) in terminals.iter().enumerate() {
        let expected: Vec<_> = (0..10).map(|nth| format!("message {}", nth * 2 + window)).collect();
        tests::probe::until(DEADLINE, "ten lines", || terminal.record().messages().len() >= 10);
        assert_eq!(terminal.record().messages(), expected);
    }
}

#[test]
fn each_message_arrives_in_a_browser() {
    require!("Xvfb", "chromium");
    let xvfb = Xvfb::start();
    let browser = Chromium::start(xvfb.display());
    let sender = sender(xvfb.display());
    let (boxes, profile) = (browser.boxes().len(), Profile::named("chromium").unwrap());
    for nth in 0..24 {
        let (x, y) = browser.boxes()[nth % boxes].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let receipt = sender.send(&format!("Agent-{}", nth % boxes), place, &profile, &format!("message {nth}\nmore"));
        assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
    }
    let messages = browser.wait_messages(24, DEADLINE);
    for (nth, message) in messages.iter().enumerate() {
        assert_eq!((message.index, message.text.as_str()), (nth % boxes, &*format!("message {nth}\nmore")));
    }
}

#[test]
fn keys_are_pressed_by_the_keyboard_s_present_mapping() {
    require!("Xvfb", "setxkbmap");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.portable(), guard());
    for (nth, layout) in ["us", "dvorak", "us,ru"].into_iter().enumerate() {
        let mapped = std::process::Command::new("setxkbmap").args(["-display", desk.display(), layout]).status();
        assert!(mapped.unwrap().success());
        deliver(&mut driver, &guard, &desk.point(0), layout, ONCE)
            .unwrap_or_else(|refusal| panic!("{layout}: {refusal}"));
        assert_eq!(desk.submitted(nth + 1).pop(), Some((0, layout.to_owned())));
    }
}

#[test]
fn an_enter_that_a_hotkey_takes_is_seen_and_not_claimed() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (stranger, screen) = RustConnection::connect(Some(desk.display())).unwrap();
    let root = stranger.setup().roots[screen].root;
    let mode = GrabMode::ASYNC;
    stranger.grab_key(false, root, ModMask::from(0u16), 36, mode, mode).unwrap().check().unwrap();
    let receipt = sender(desk.display()).send("Agent-1", desk.point(0), &Profile::default(), "text");
    let code = receipt.reason.as_ref().map(|reason| reason.code.as_ref());
    assert_eq!(
        (receipt.state, receipt.submitted, code),
        (State::Uncertain, false, Some("press_not_seen")),
        "{receipt:?}"
    );
    assert_eq!(desk.settled(), (Vec::new(), vec!["text".to_owned()]));
}

#[test]
fn no_enter_follows_when_the_focus_has_gone_after_the_paste() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour::default());
    let (mut driver, guard) = (desk.portable(), guard());
    let (stranger, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let target = paste(&mut driver, &guard, &desk.point(0), "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    give_focus(&stranger, desk.windows.windows()[1].id);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert!(matches!(refused, Err(Refusal::FocusElsewhere { .. })), "{refused:?}");
    assert_eq!(desk.settled(), (Vec::new(), vec!["text".to_owned()]));
}

#[test]
fn no_enter_follows_when_the_clipboard_was_taken() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.portable(), guard());
    let target = paste(&mut driver, &guard, &desk.point(0), "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    let _thief = ClipboardOwner::own(desk.display(), clipboard::Selection::Clipboard, "stolen", Answer::Whole);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert!(matches!(refused, Err(Refusal::ClipboardTaken { .. })), "{refused:?}");
    assert_eq!(desk.settled(), (Vec::new(), vec!["text".to_owned()]));
}

#[test]
fn a_target_that_never_fetches_gets_no_enter() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour { fetch: Fetch::Never, ..Behaviour::default() });
    let profile = Profile { fetch_timeout: Duration::from_millis(100), ..Profile::default() };
    let receipt = sender(desk.display()).send("Agent-1", desk.point(0), &profile, "text");
    let code = receipt.reason.as_ref().map(|reason| reason.code.as_ref());
    assert_eq!((receipt.state, code), (State::Uncertain, Some("not_fetched")), "{receipt:?}");
    assert_eq!(desk.settled().0, Vec::new());
}

#[test]
fn keys_that_another_program_holds_are_neither_released_nor_mixed_with() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.portable(), guard());
    let hand = Hand::on(desk.display());
    hand.press(&[key::CTRL]);
    let refused = driver.sweep(&guard.permit());
    assert_eq!(refused, Err(Refusal::Interference { device: "the keyboard: another program holds key Ctrl".into() }));
    assert!(hand.is_down(key::CTRL));
    hand.release(&[key::CTRL]);
    let target = paste(&mut driver, &guard, &desk.point(0), "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    hand.press(&[key::SHIFT]);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert_eq!(refused, Err(Refusal::Interference { device: "the keyboard: Shift is held".into() }));
    hand.release(&[key::SHIFT]);
    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    assert_eq!(desk.settled(), (vec![(0, "text".into())], Vec::new()));
}

fn give_focus(stranger: &RustConnection, window: Window) {
    stranger.set_input_focus(InputFocus::POINTER_ROOT, window, CURRENT_TIME).unwrap();
    stranger.get_input_focus().unwrap().reply().unwrap();
}

/// What came of deliveries against an adversary.
#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    claimed: usize,
    /// Texts that were submitted, or stand, in a window that is not theirs.
    in_wrong_window: usize,
    /// Enters that no receipt claims.
    unclaimed_enters: usize,
}

/// The last messages, at which the adversary has gone: what was left by it is doubted once in each window, then there is
/// something to claim.
const IN_PEACE: usize = 10;

/// Sends `tried` messages to two windows in turn, all but the last few while `adversary` is at work, and holds the claims
/// against what arrived.
fn against(desk: &mut Desk, tried: usize, profile: &Profile, mut adversary: impl FnMut() + Send) -> Tally {
    let sender = sender(desk.display());
    let done = AtomicBool::new(false);
    let mut claimed = Vec::new();
    let mut entered = 0;
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                adversary();
            }
        });
        for nth in 0..tried {
            if nth + IN_PEACE == tried {
                done.store(true, Ordering::Relaxed);
            }
            let text = format!("for {} number {nth};", nth % 2);
            let receipt = sender.send(&format!("Agent-{nth}"), desk.point(nth % 2), profile, &text);
            let is_claimed = receipt.state == State::Submitted;
            entered += usize::from(receipt.submitted);
            claimed.extend(is_claimed.then_some((nth % 2, text)));
        }
        worker.join().unwrap();
    });
    let (submitted, drafts) = desk.settled();
    let strays = |window: usize, text: &str| text.matches(&format!("for {} ", 1 - window)).count();
    let mut tally = Tally { tried, claimed: claimed.len(), ..Tally::default() };
    tally.in_wrong_window = submitted.iter().map(|(window, text)| strays(*window, text)).sum();
    tally.unclaimed_enters = submitted.len().saturating_sub(entered);
    for (window, text) in &claimed {
        // At the end: what was not seen to reach the other window may have gone to this one before.
        let arrived = submitted.iter().filter(|(at, line)| at == window && line.ends_with(text.as_str())).count();
        assert_eq!(arrived, 1, "{text} was claimed: {submitted:?}; unsent: {drafts:?}");
    }
    tally
}

fn tell(what: &str, tally: &Tally) {
    use std::io::Write as _;
    // The runner swallows what a test that passes prints.
    let _ = writeln!(std::io::stderr(), "portable driver against {what}: {tally:?}");
}

#[test]
fn against_a_focus_flipper_only_what_was_seen_is_claimed() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour { waiting: Waiting::Impatient, ..Behaviour::default() });
    let (stranger, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let windows: Vec<Window> = desk.windows.windows().iter().map(|window| window.id).collect();
    let turn = AtomicU32::new(0);
    let flip = || {
        give_focus(&stranger, windows[turn.fetch_add(1, Ordering::Relaxed) as usize % 2]);
        thread::sleep(Duration::from_micros(2000));
    };
    let profile = Profile { fetch_timeout: Duration::from_millis(300), ..Profile::default() };
    let tally = against(&mut desk, 200, &profile, flip);
    tell("a focus flipper", &tally);
    assert!(tally.claimed > 0 && tally.claimed < tally.tried, "the adversary was met: {tally:?}");
}

#[test]
fn against_a_clipboard_thief_only_what_was_seen_is_claimed() {
    require!("Xvfb");
    let mut desk =
        Desk::with(2, Behaviour { waiting: Waiting::Impatient, fetch: Fetch::AfterMs(1), ..Behaviour::default() });
    let display = desk.display().to_owned();
    let mut turn = 0;
    let steal = || {
        turn += 7;
        thread::sleep(Duration::from_millis(turn % 50));
        drop(ClipboardOwner::own(&display, clipboard::Selection::Clipboard, "stolen", Answer::Whole));
    };
    let profile = Profile { fetch_timeout: Duration::from_millis(300), ..Profile::default() };
    let tally = against(&mut desk, 60, &profile, steal);
    tell("a clipboard thief", &tally);
    assert_eq!((tally.in_wrong_window, tally.unclaimed_enters), (0, 0), "{tally:?}");
    assert!(tally.claimed > 0 && tally.claimed < tally.tried, "the adversary was met: {tally:?}");
}
