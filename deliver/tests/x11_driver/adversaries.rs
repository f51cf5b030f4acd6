//! What other programs do to a delivery, and that nothing is then pressed in the wrong place.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use deliver::agent_windows::{Behaviour, Fetch, Waiting};
use deliver::desktop::{Desktop as _, FetchRule, Refusal, Selection};
use lock_core::Moment;
use tests::{
    clipboard::{self, Answer, ClipboardOwner},
    hand::{Hand, key},
    require,
};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME, NONE,
    connection::Connection as _,
    protocol::xproto::{
        ConnectionExt as _, CreateWindowAux, EventMask, GrabMode, GrabStatus, InputFocus, ModMask, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

use crate::desk::{DEADLINE, Desk, ONCE, chord, deliver, guard, message_id, paste, soon};

/// Runs `adversary` again and again while `sender` runs.
fn against<T>(adversary: impl FnMut() + Send, sender: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let mut adversary = adversary;
    thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                adversary();
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(sender));
        done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A window of a stranger over the whole screen.
fn cover(connection: &RustConnection, root: Window) -> Window {
    let window = connection.generate_id().unwrap();
    let aux = CreateWindowAux::new().override_redirect(1);
    let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
    connection.create_window(depth, window, root, 0, 0, 1600, 1200, 0, class, COPY_FROM_PARENT, &aux).unwrap();
    connection.map_window(window).unwrap();
    connection.get_input_focus().unwrap().reply().unwrap();
    window
}

/// Texts name their window, so that one that is submitted elsewhere is seen, alone or glued to others.
fn text_for(window: usize, nth: usize) -> String {
    format!("<{window}:{nth}>")
}

fn assert_only_own_texts(submitted: &[(usize, String)]) {
    for (window, text) in submitted {
        assert!(!text.is_empty(), "an Enter without its text in window {window}");
        for piece in text.split_inclusive('>') {
            assert!(piece.starts_with(&format!("<{window}:")), "window {window} was given {text:?}");
        }
    }
}

#[test]
fn no_enter_goes_astray_while_the_focus_flips() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour { waiting: Waiting::Impatient, ..Behaviour::default() });
    let (mut driver, guard) = (desk.driver(), guard());
    let (flipper, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let windows: Vec<Window> = desk.windows.windows().iter().map(|window| window.id).collect();
    let mut turn = 0;
    let flip = || {
        turn += 1;
        flipper.set_input_focus(InputFocus::POINTER_ROOT, windows[turn % 2], CURRENT_TIME).unwrap();
        flipper.get_input_focus().unwrap().reply().unwrap();
        // The target must have the focus for long enough to be found there at all.
        thread::sleep(Duration::from_micros(300));
    };
    let mut entered = 0;
    let mut refused = 0;
    against(flip, || {
        for nth in 0..200 {
            let window = nth % 2;
            let place = desk.point(window);
            match paste(&mut driver, &guard, &place, &text_for(window, nth)) {
                Ok(target) => {
                    driver.await_fetched(&target, ONCE, soon()).unwrap();
                    match driver.submit(&guard.permit(), &target, &chord("return"), true) {
                        Ok(()) => entered += 1,
                        Err(Refusal::FocusElsewhere { .. }) => refused += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                Err(Refusal::FocusElsewhere { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    });
    let (submitted, _) = desk.settled();
    assert_only_own_texts(&submitted);
    assert_eq!(submitted.len(), entered, "every Enter that was claimed came, and no other");
    assert!(entered > 0 && refused > 0, "the adversary was met: {entered} entered, {refused} refused");
}

#[test]
fn no_enter_follows_a_thief_s_text() {
    require!("Xvfb");
    let behaviour = Behaviour { waiting: Waiting::Impatient, fetch: Fetch::AfterMs(1), ..Behaviour::default() };
    let mut desk = Desk::with(2, behaviour);
    let (mut driver, guard) = (desk.driver(), guard());
    let display = desk.display().to_owned();
    let steal = || {
        let owner = ClipboardOwner::own(&display, clipboard::Selection::Clipboard, "stolen", Answer::Whole);
        thread::sleep(Duration::from_millis(3));
        drop(owner);
    };
    let mut refused = 0;
    let rule = FetchRule { quiet: Duration::from_millis(2), ..ONCE };
    let mut entered = Vec::new();
    against(steal, || {
        for nth in 0..60 {
            let text = text_for(nth % 2, nth);
            let place = desk.point(nth % 2);
            match paste(&mut driver, &guard, &place, &text) {
                Err(Refusal::ClipboardTaken { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
                Ok(target) => match driver
                    .await_fetched(&target, rule, Moment::now() + Duration::from_millis(500))
                    .and_then(|_| driver.submit(&guard.permit(), &target, &chord("return"), true))
                {
                    Ok(()) => entered.push(text),
                    Err(Refusal::ClipboardTaken { .. } | Refusal::NotFetched { .. }) => refused += 1,
                    Err(other) => panic!("{other}"),
                },
            }
            driver.restore(&guard.permit()).unwrap();
        }
    });
    let (submitted, _) = desk.settled();
    assert_eq!(submitted.len(), entered.len());
    for text in &entered {
        assert!(submitted.iter().any(|(_, line)| line.ends_with(text.as_str())), "{text} was claimed: {submitted:?}");
    }
    assert!(refused > 0, "the thief was met");
}

#[test]
fn a_covered_window_is_not_typed_into() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let (stranger, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let target = driver.bind(&desk.point(0)).unwrap();
    let window = cover(&stranger, stranger.setup().roots[0].root);
    let refused = driver.click(&guard.permit(), &target);
    assert!(matches!(refused, Err(Refusal::Covered { .. })), "{refused:?}");
    stranger.destroy_window(window).unwrap();
    stranger.get_input_focus().unwrap().reply().unwrap();
    driver.click(&guard.permit(), &target).unwrap();
    driver.await_focus(&target, soon()).unwrap();
    driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
    cover(&stranger, stranger.setup().roots[0].root);
    let refused = driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id());
    assert!(matches!(refused, Err(Refusal::Covered { .. })), "{refused:?}");
    assert_eq!(desk.settled(), (Vec::new(), Vec::new()));
}

#[test]
fn a_window_that_closes_is_gone() {
    require!("Xvfb");
    let mut desk = Desk::with(2, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let place = desk.point(0);
    let target = paste(&mut driver, &guard, &place, "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    desk.windows.close(0);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert!(matches!(refused, Err(Refusal::TargetGone(_))), "{refused:?}");
    let refused = driver.click(&guard.permit(), &target);
    assert!(matches!(refused, Err(Refusal::TargetGone(_))), "{refused:?}");
    assert!(matches!(driver.bind(&place), Err(Refusal::TargetGone(_))));
    assert_eq!(desk.settled().0, Vec::new());
}

#[test]
fn grabs_of_others_are_seen_and_leave_no_key_behind() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let (grabber, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let root = grabber.setup().roots[0].root;
    let place = desk.point(0);
    let target = paste(&mut driver, &guard, &place, "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    let mode = GrabMode::ASYNC;

    let grabbed = grabber.grab_keyboard(false, root, CURRENT_TIME, mode, mode).unwrap().reply().unwrap();
    assert_eq!(grabbed.status, GrabStatus::SUCCESS);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert_eq!(refused, Err(Refusal::Grabbed { device: "keyboard" }));
    grabber.ungrab_keyboard(CURRENT_TIME).unwrap().check().unwrap();

    let pointer = grabber.grab_pointer(false, root, EventMask::NO_EVENT, mode, mode, NONE, NONE, CURRENT_TIME);
    assert_eq!(pointer.unwrap().reply().unwrap().status, GrabStatus::SUCCESS);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert_eq!(refused, Err(Refusal::Grabbed { device: "pointer" }));
    let refused = driver.click(&guard.permit(), &target);
    assert_eq!(refused, Err(Refusal::Grabbed { device: "pointer" }));
    grabber.ungrab_pointer(CURRENT_TIME).unwrap().check().unwrap();

    grabber.grab_key(false, root, ModMask::from(0u16), 36, mode, mode).unwrap().check().unwrap();
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert_eq!(refused, Err(Refusal::Grabbed { device: "chord's keys" }));
    grabber.ungrab_key(36, root, ModMask::from(0u16)).unwrap().check().unwrap();

    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    assert_eq!(desk.settled(), (vec![(0, "text".into())], Vec::new()));
}

#[test]
fn a_server_that_somebody_else_holds_is_not_waited_for_for_ever() {
    require!("Xvfb");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let place = desk.point(0);
    let target = driver.bind(&place).unwrap();
    let (grabber, _) = RustConnection::connect(Some(desk.display())).unwrap();
    grabber.grab_server().unwrap();
    grabber.get_input_focus().unwrap().reply().unwrap();
    let began = Moment::now();
    assert_eq!(driver.click(&guard.permit(), &target), Err(Refusal::Grabbed { device: "X server" }));
    assert!(began.elapsed() < DEADLINE);
    grabber.ungrab_server().unwrap().check().unwrap();
    let broken = driver.click(&guard.permit(), &target);
    assert!(matches!(broken, Err(Refusal::Disconnected { .. })), "{broken:?}");
    deliver(&mut desk.driver(), &guard, &place, "with a new driver", ONCE).unwrap();
}

#[test]
fn keys_that_another_program_holds_are_neither_released_nor_mixed_with() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let hand = Hand::on(desk.display());
    hand.press(&[key::CTRL]);
    let refused = driver.sweep(&guard.permit());
    assert_eq!(refused, Err(Refusal::Interference { device: "the keyboard: another program holds key Ctrl".into() }));
    assert!(hand.is_down(key::CTRL));
    hand.release(&[key::CTRL]);
    assert_eq!(driver.sweep(&guard.permit()).unwrap(), Vec::<String>::new());
    let place = desk.point(0);
    let target = paste(&mut driver, &guard, &place, "text").unwrap();
    driver.await_fetched(&target, ONCE, soon()).unwrap();
    hand.press(&[key::SHIFT]);
    let refused = driver.submit(&guard.permit(), &target, &chord("return"), true);
    assert_eq!(refused, Err(Refusal::Interference { device: "the keyboard: Shift is held".into() }));
    hand.release(&[key::SHIFT]);
    driver.submit(&guard.permit(), &target, &chord("return"), true).unwrap();
    assert_eq!(desk.settled(), (vec![(0, "text".into())], Vec::new()));
}

#[test]
fn locks_and_another_keyboard_mapping_change_nothing() {
    require!("Xvfb", "setxkbmap");
    let desk = Desk::with(1, Behaviour::default());
    let (mut driver, guard) = (desk.driver(), guard());
    let hand = Hand::on(desk.display());
    let place = desk.point(0);
    let mut send = |text: &str| {
        deliver(&mut driver, &guard, &place, text, ONCE).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
    };
    send("plain");
    hand.chord(&[0xff7f]);
    send("num lock");
    hand.chord(&[0xffe5]);
    send("caps lock");
    send("caps lock, still");
    hand.chord(&[0xffe5]);
    let map = |layout: &str| {
        let done = std::process::Command::new("setxkbmap").args(["-display", desk.display(), layout]).status();
        assert!(done.unwrap().success());
    };
    map("dvorak");
    send("dvorak");
    map("us,ru");
    send("two layouts");
    let expected = ["plain", "num lock", "caps lock", "caps lock, still", "dvorak", "two layouts"];
    assert_eq!(desk.submitted(expected.len()), expected.map(|text| (0, text.to_owned())));
}

#[test]
fn other_programs_that_read_the_clipboard_are_not_taken_for_the_target() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour { fetch: Fetch::Never, ..Behaviour::default() });
    let (mut driver, guard) = (desk.driver(), guard());
    let place = desk.point(0);
    let target = paste(&mut driver, &guard, &place, "text").unwrap();
    let read = clipboard::read(desk.display(), clipboard::Selection::Clipboard, DEADLINE);
    assert_eq!(read.as_deref(), Some("text"));
    // The reader has its text before the keeper tells the sender of it. The keeper answers one after the other: who has the
    // list, which is no text, knows that the sender was told.
    clipboard::read_format(desk.display(), clipboard::Selection::Clipboard, "TARGETS", DEADLINE).unwrap();
    let refused = driver.await_fetched(&target, ONCE, Moment::now() + Duration::from_millis(50));
    assert_eq!(refused, Err(Refusal::NotFetched { by_target: 0, expected: 1, by_others: 1 }));
    assert_eq!(desk.settled().0, Vec::new());
}

#[test]
fn a_lost_lease_presses_nothing() {
    require!("Xvfb");
    let mut desk = Desk::with(1, Behaviour::default());
    let mut driver = desk.driver();
    let lock = std::sync::Arc::new(lock_core::ThreadLock::new());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let name = lock_core::LockKey::new("desktop/lost").unwrap();
    let place = desk.point(0);
    runtime.block_on(async {
        use lock_core::{DistributedLock as _, DistributedLockExt as _};
        let held = std::sync::Arc::clone(&lock) as std::sync::Arc<dyn lock_core::DistributedLock>;
        let guard = held.acquire(&name, &lock_core::AcquireOptions::default()).await.unwrap();
        let target = driver.bind(&place).unwrap();
        driver.click(&guard.permit(), &target).unwrap();
        driver.await_focus(&target, soon()).unwrap();
        driver.offer(&guard.permit(), "text", Selection::Clipboard).unwrap();
        lock.break_lock(&name, guard.token(), false).await.unwrap();
        guard.lost().await;
        let refused = driver.paste(&guard.permit(), &target, &chord("ctrl+v"), &message_id());
        assert!(matches!(refused, Err(Refusal::LeaseLost(_))), "{refused:?}");
        let refused = driver.click(&guard.permit(), &target);
        assert!(matches!(refused, Err(Refusal::LeaseLost(_))), "{refused:?}");
    });
    assert_eq!(desk.settled(), (Vec::new(), Vec::new()));
}
