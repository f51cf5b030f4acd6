//! Deliveries that a person, a dialog or a grab is in the way of: they wait, keep their order, and are in nobody else's way.

use std::{path::Path, sync::Arc, time::Duration};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, PostponedObserver, Profile, Receipt, SendOptions, State,
    SurfaceKind,
    agent_windows::Behaviour,
    desktop::{DesktopSurface, Place, x11::X11Desktop},
};
use lock_core::{DistributedLock, Holder, LockKey};
use lock_file::{FileConfig, FileLock};
use tests::{
    hand::{Hand, key},
    require,
};
use tokio::sync::mpsc;
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{
        AutoRepeatMode, ChangeKeyboardControlAux, ConnectionExt as _, CreateWindowAux, GrabMode, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

use crate::{
    desk::{DEADLINE, Desk, keeper_command},
    person::Office,
};

const IDLE: Duration = Duration::from_millis(600);

fn key_of_display() -> LockKey {
    LockKey::new("desktop/test").unwrap()
}

/// One sender's way to the display, as a process of its own would have it.
pub(crate) struct Sender {
    deliverer: Arc<Deliverer>,
    lock: Arc<dyn DistributedLock>,
}

impl Sender {
    pub(crate) fn of(display: &str, root: &Path) -> Self {
        let lock: Arc<dyn DistributedLock> = Arc::new(FileLock::open(FileConfig::new(root)).unwrap());
        let display = display.to_owned();
        let connect = move || Ok(Box::new(X11Desktop::connect(Some(&display), &keeper_command())?) as _);
        let (surface, key) = (Arc::new(DesktopSurface::new(connect)), key_of_display());
        let journal = Journal::open(root, &key).unwrap();
        let locks = DesktopLocks::alone(Arc::clone(&lock), key);
        Self { deliverer: Arc::new(Deliverer::new(locks, surface, journal)), lock }
    }

    /// Sends; and a channel that tells each reason to wait.
    pub(crate) fn send(
        &self,
        place: Place,
        text: &str,
        timeout: Duration,
    ) -> (tokio::task::JoinHandle<Receipt>, mpsc::UnboundedReceiver<String>) {
        let (tell, told) = mpsc::unbounded_channel();
        let observer = PostponedObserver::new(move |refusal| drop(tell.send(refusal.to_string())));
        let options = SendOptions { timeout, idle: IDLE, postponed: Some(observer), ..SendOptions::default() };
        let name = format!("{:?}", place.point);
        let agent = Agent { name, surface: SurfaceKind::Desktop, place, profile: Profile::default() };
        let (message, deliverer) = (Message::new(text).unwrap().0, Arc::clone(&self.deliverer));
        let sending = tokio::spawn(async move { deliverer.send(&message, &agent, &options).await.unwrap() });
        (sending, told)
    }
}

pub(crate) async fn heard(told: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(DEADLINE, told.recv()).await.expect("a reason in time").expect("a reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_waited_for_and_then_the_delivery_goes_through() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let sender = Sender::of(office.display(), root.path());
    office.person.types("a");
    let (sending, mut told) = sender.send(office.point(0), "text", DEADLINE);
    let reason = heard(&mut told).await;
    assert!(reason.starts_with("somebody used the keyboard (TigerVNC keyboard) 0."), "{reason}");
    // The lock is free meanwhile, and the postponed one can be seen.
    let line = LockKey::new(format!("{}/postponed", key_of_display())).unwrap();
    let seen = tests::probe::until_some(DEADLINE, "the postponed sender is shown", || {
        let state = futures_now(sender.lock.inspect(&line)).unwrap();
        matches!(state.holder, Holder::Lease { .. }).then_some(state)
    });
    assert!(seen.queue.is_empty());
    assert_eq!(futures_now(sender.lock.inspect(&key_of_display())).unwrap().holder, Holder::Free);
    let receipt = sending.await.unwrap();
    assert_eq!((receipt.state, receipt.reason), (State::Submitted, None));
    assert!(receipt.evidence[0].seen.starts_with("postponed for 0."), "{:?}", receipt.evidence);
    let history = sender.deliverer.journal().history().unwrap();
    assert_eq!(history.len(), 1, "one delivery in the journal");
    assert_eq!((history[0].state, history[0].ticket), (State::Submitted, receipt.ticket.unwrap()));
    assert_eq!(office.settled().0, ["text"]);
}

fn futures_now<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_another_program_holds_are_waited_for_and_stay_down() {
    require!("Xvfb");
    let root = tempfile::tempdir().unwrap();
    let mut desk = Desk::with(1, Behaviour::default());
    let sender = Sender::of(desk.display(), root.path());
    let stranger = Hand::on(desk.display());
    let once = ChangeKeyboardControlAux::new().auto_repeat_mode(AutoRepeatMode::OFF);
    desk.xvfb.connect().change_keyboard_control(&once).unwrap().check().unwrap();
    for (held, name) in [(key::CTRL, "Ctrl"), (key::V, "v")] {
        stranger.press(&[held]);
        let (sending, _) = sender.send(desk.point(0), "too early", Duration::from_millis(300));
        let receipt = sending.await.unwrap();
        assert_eq!((receipt.state, receipt.typed), (State::Rejected, false), "{receipt:?}");
        assert!(receipt.reason.unwrap().message.contains(&format!("another program holds key {name}")));
        let (sending, mut told) = sender.send(desk.point(0), "then", DEADLINE);
        heard(&mut told).await;
        assert!(stranger.is_down(held));
        stranger.release(&[held]);
        assert_eq!(sending.await.unwrap().state, State::Submitted);
    }
    let submitted: Vec<_> = desk.settled().0.into_iter().map(|(_, text)| text).collect();
    // The stranger's own letter was typed where the first delivery had left the focus.
    assert_eq!(submitted.iter().map(|text| text.trim_start_matches('v')).collect::<Vec<_>>(), ["then", "then"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_stop_typing_keeps_the_delivery_out_until_its_timeout() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let sender = Sender::of(office.display(), root.path());
    office.person.types("a");
    let (sending, _told) = sender.send(office.point(0), "text", Duration::from_secs(2));
    while !sending.is_finished() {
        office.person.types("a");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let receipt = sending.await.unwrap();
    assert_eq!((receipt.state, receipt.typed, receipt.retry_safe), (State::Rejected, false, true), "{receipt:?}");
    let reason = receipt.reason.unwrap();
    assert_eq!(reason.code, "interference");
    assert!(reason.message.contains("somebody used the keyboard"), "{reason:?}");
    assert!(receipt.waited > Duration::from_millis(1500), "{:?}", receipt.waited);
    let recorded = sender.deliverer.journal().history().unwrap();
    assert_eq!((recorded.len(), recorded[0].state), (1, State::Rejected));
    assert!(office.settled().0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postponed_come_back_in_their_order_and_text_is_typed_once() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let senders: Vec<Sender> = (0..5).map(|_| Sender::of(office.display(), root.path())).collect();
    let mut sendings = Vec::new();
    for (nth, sender) in senders.iter().enumerate() {
        office.person.types("a");
        let before = sender.deliverer.journal().history().unwrap().len();
        let (sending, told) = sender.send(office.point(0), &format!("<{nth}>"), DEADLINE);
        // In line before the next one comes.
        tests::probe::until(DEADLINE, "it was taken up", || {
            sender.deliverer.journal().history().unwrap().len() > before
        });
        sendings.push((sending, told));
    }
    for (nth, (sending, _)) in sendings.into_iter().enumerate() {
        let receipt = sending.await.unwrap();
        assert_eq!(receipt.state, State::Submitted, "{nth}: {receipt:?}");
    }
    let submitted = office.settled().0;
    let expected: Vec<String> = (0..5).map(|nth| format!("<{nth}>")).collect();
    assert_eq!(submitted, expected);
}

/// A window of a stranger at a place; returns how to take it away.
fn dialog_over(connection: &RustConnection, (x, y): (i16, i16)) -> Window {
    let window = connection.generate_id().unwrap();
    let aux = CreateWindowAux::new().override_redirect(1);
    let (root, depth, class) = (connection.setup().roots[0].root, COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
    connection.create_window(depth, window, root, x - 5, y - 5, 10, 10, 0, class, COPY_FROM_PARENT, &aux).unwrap();
    connection.map_window(window).unwrap();
    connection.get_input_focus().unwrap().reply().unwrap();
    window
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_over_one_agent_is_waited_for_and_is_in_nobody_else_s_way() {
    require!("Xvfb");
    let root = tempfile::tempdir().unwrap();
    let mut desk = Desk::with(2, Behaviour::default());
    let sender = Sender::of(desk.display(), root.path());
    let (stranger, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let dialog = dialog_over(&stranger, desk.windows.windows()[0].centre());
    let titled = crate::desk::titled("Agent-1");
    let (covered, mut told) = sender.send(titled, "first", DEADLINE);
    assert!(heard(&mut told).await.contains("covers the target"));
    let (other, _told) = sender.send(desk.point(1), "second", DEADLINE);
    assert_eq!(other.await.unwrap().state, State::Submitted);
    assert!(!covered.is_finished());
    stranger.destroy_window(dialog).unwrap();
    stranger.flush().unwrap();
    let receipt = covered.await.unwrap();
    assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
    assert_eq!(desk.settled().0, [(1, "second".to_owned()), (0, "first".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_menu_is_waited_for_and_a_hotkey_is_not() {
    require!("Xvfb");
    let root = tempfile::tempdir().unwrap();
    let mut desk = Desk::with(1, Behaviour::default());
    let sender = Sender::of(desk.display(), root.path());
    let (stranger, _) = RustConnection::connect(Some(desk.display())).unwrap();
    let x_root = stranger.setup().roots[0].root;
    let mode = GrabMode::ASYNC;
    stranger.grab_keyboard(false, x_root, CURRENT_TIME, mode, mode).unwrap().reply().unwrap();
    let (sending, mut told) = sender.send(desk.point(0), "text", DEADLINE);
    assert!(heard(&mut told).await.contains("grabs the keyboard"));
    stranger.ungrab_keyboard(CURRENT_TIME).unwrap().check().unwrap();
    assert_eq!(sending.await.unwrap().state, State::Submitted);
    // Ctrl+V of everybody: nobody closes that.
    let control = u16::from(x11rb::protocol::xproto::ModMask::CONTROL);
    stranger.grab_key(false, x_root, control.into(), 55, mode, mode).unwrap().check().unwrap();
    let (sending, _told) = sender.send(desk.point(0), "text", DEADLINE);
    let receipt = sending.await.unwrap();
    assert_eq!((receipt.state, receipt.reason.unwrap().code.as_ref()), (State::Rejected, "grabbed"));
    assert_eq!(desk.settled().0, [(0, "text".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_key_is_waited_for() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let sender = Sender::of(office.display(), root.path());
    office.person.key(key::SHIFT, true);
    tokio::time::sleep(IDLE).await;
    let (sending, mut told) = sender.send(office.point(0), "text", DEADLINE);
    while !heard(&mut told).await.contains("Shift is held") {}
    office.person.key(key::SHIFT, false);
    assert_eq!(sending.await.unwrap().state, State::Submitted);
    assert_eq!(office.settled().0, ["text"]);
}
