//! Deliveries that a person, a dialog or a grab is in the way of: they wait, keep their order, and are in nobody else's way.

use std::{path::Path, sync::Arc, time::Duration};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, PostponedObserver, Profile, Receipt, SendError, SendOptions,
    State, Stop, SurfaceKind,
    agent_windows::Behaviour,
    desktop::{DesktopSurface, Place, x11::X11Desktop},
};
use lock_core::{DistributedLock, Holder, KeyState, LockKey, Moment};
use lock_file::{FileConfig, FileLock};
use tests::{
    hand::{Hand, key},
    probe::until,
    require,
};
use tokio::{sync::mpsc, task::JoinHandle};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME,
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, CreateWindowAux, GrabMode, Window, WindowClass},
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
    pub(crate) fn send(&self, place: Place, text: &str, timeout: Duration) -> (JoinHandle<Receipt>, Told) {
        let options = SendOptions { timeout, idle: IDLE, ..SendOptions::default() };
        let (sending, told) = self.send_with(place, text, options);
        (tokio::spawn(async move { sending.await.unwrap().unwrap() }), told)
    }

    fn send_with(&self, place: Place, text: &str, options: SendOptions) -> (JoinHandle<Sent>, Told) {
        let (tell, told) = mpsc::unbounded_channel();
        let observer = PostponedObserver::new(move |refusal| drop(tell.send(refusal.to_string())));
        let options = SendOptions { postponed: Some(observer), ..options };
        // Where nothing is waited for, this is the time for all up to the paste.
        let profile = Profile { focus_timeout: DEADLINE, ..Profile::default() };
        let agent = Agent { name: format!("{:?}", place.point), surface: SurfaceKind::Desktop, place, profile };
        let (message, deliverer) = (Message::new(text).unwrap().0, Arc::clone(&self.deliverer));
        (tokio::spawn(async move { deliverer.send(&message, &agent, &options).await }), told)
    }

    /// Waits until a sender is at the head of the line of the postponed, and as many behind it.
    fn await_postponed(&self, behind: usize) {
        let line = LockKey::new(format!("{}/postponed", key_of_display())).unwrap();
        until(DEADLINE, "the postponed stand in line", || {
            let state = self.inspect(&line);
            matches!(state.holder, Holder::Lease { .. }) && state.queue.len() == behind
        });
    }

    fn inspect(&self, key: &LockKey) -> KeyState {
        futures_now(self.lock.inspect(key)).unwrap()
    }
}

type Sent = Result<Receipt, SendError>;
type Told = mpsc::UnboundedReceiver<String>;

pub(crate) async fn heard(told: &mut Told) -> String {
    tokio::time::timeout(DEADLINE, told.recv()).await.expect("a reason in time").expect("a reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_person_can_be_seen_and_holds_no_lock() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let sender = Sender::of(office.display(), root.path());
    office.person.types("a");
    // The person is not idle for long enough as long as this test looks.
    let stop = Stop::new();
    let options = SendOptions { timeout: DEADLINE, idle: DEADLINE, stop: stop.clone(), ..SendOptions::default() };
    let (sending, mut told) = sender.send_with(office.point(0), "text", options);
    let reason = heard(&mut told).await;
    assert!(reason.starts_with("somebody used the keyboard (TigerVNC keyboard) "), "{reason}");
    sender.await_postponed(0);
    assert_eq!(sender.inspect(&key_of_display()).holder, Holder::Free);
    stop.request("SIGTERM");
    assert!(matches!(sending.await.unwrap(), Err(SendError::Stopped("SIGTERM"))));
    assert_eq!(office.settled().0, [""; 0]);
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
    for (held, name) in [(key::CTRL, "Ctrl"), (key::V, "v")] {
        stranger.press(&[held]);
        let (sending, _) = sender.send(desk.point(0), "too early", Duration::ZERO);
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
    let (began, timeout) = (Moment::now(), Duration::from_secs(2));
    // However late the next key comes, the person was at work within this.
    let options = SendOptions { timeout, idle: DEADLINE, ..SendOptions::default() };
    let (sending, _told) = sender.send_with(office.point(0), "text", options);
    while !sending.is_finished() {
        office.person.types("a");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() >= timeout, "{:?}", began.elapsed());
    let receipt = sending.await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.typed, receipt.retry_safe), (State::Rejected, false, true), "{receipt:?}");
    let reason = receipt.reason.unwrap();
    assert_eq!(reason.code, "interference");
    assert!(reason.message.contains("somebody used the keyboard"), "{reason:?}");
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
    office.person.key(key::SHIFT, true);
    for (nth, sender) in senders.iter().enumerate() {
        sendings.push(sender.send(office.point(0), &format!("<{nth}>"), DEADLINE));
        // In line before the next one comes.
        sender.await_postponed(nth);
    }
    office.person.key(key::SHIFT, false);
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
async fn a_held_key_is_waited_for_and_then_the_delivery_goes_through() {
    require!("Xvnc");
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::open();
    let sender = Sender::of(office.display(), root.path());
    office.person.key(key::SHIFT, true);
    tokio::time::sleep(IDLE).await;
    let (sending, mut told) = sender.send(office.point(0), "text", DEADLINE);
    while !heard(&mut told).await.contains("Shift is held") {}
    office.person.key(key::SHIFT, false);
    let receipt = sending.await.unwrap();
    assert_eq!((receipt.state, receipt.reason), (State::Submitted, None));
    assert!(receipt.evidence[0].seen.starts_with("postponed for "), "{:?}", receipt.evidence);
    let history = sender.deliverer.journal().history().unwrap();
    assert_eq!(history.len(), 1, "one delivery in the journal");
    assert_eq!((history[0].state, history[0].ticket), (State::Submitted, receipt.ticket.unwrap()));
    assert_eq!(office.settled().0, ["text"]);
}
