//! Another client has the keyboard, the pointer, a key or the whole server for itself: an open menu, a screen lock, a
//! hotkey.

use deliver::agent_windows::Options;
use x11rb::{
    CURRENT_TIME, NONE,
    protocol::{
        xinput::{ConnectionExt as _, GrabOwner},
        xproto::{ConnectionExt as _, EventMask, GrabMode, ModMask, Window},
    },
    rust_connection::RustConnection,
};

use super::{
    bout::{Bout, Driver},
    dice::Dice,
    strike::{Moment, struck},
    verdict::Tally,
};

/// The master keyboard and pointer, and the keycodes of v and Return, where X servers start.
const MASTER_KEYBOARD: u16 = 3;
const MASTER_POINTER: u16 = 2;
const V: u8 = 55;
const RETURN: u8 = 36;
const ANY_KEY: u8 = 0;

/// What the other client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grab {
    Keyboard,
    Pointer,
    /// By the newer input extension.
    NewKeyboard,
    NewPointer,
    Server,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hotkey {
    Return,
    CtrlV,
    AnyReturn,
}

impl Grab {
    /// Until [`let_go`]: a client that is dropped still has its grabs until the server gets to know.
    fn take(self, client: &RustConnection, root: Window) {
        speak_xinput2(client);
        let (mode, now) = (GrabMode::ASYNC, CURRENT_TIME);
        let new = |device| {
            let owner = GrabOwner::NO_OWNER;
            let _ = client
                .xinput_xi_grab_device(root, now, NONE, device, mode, mode, owner, &[])
                .map(|asked| asked.reply());
        };
        match self {
            Self::Keyboard => {
                let _ = client.grab_keyboard(false, root, now, mode, mode).map(|asked| asked.reply());
            }
            Self::Pointer => {
                let nothing = EventMask::NO_EVENT;
                let _ =
                    client.grab_pointer(false, root, nothing, mode, mode, NONE, NONE, now).map(|asked| asked.reply());
            }
            Self::NewKeyboard => new(MASTER_KEYBOARD),
            Self::NewPointer => new(MASTER_POINTER),
            Self::Server => {
                let _ = client.grab_server();
                let _ = client.get_input_focus().map(|asked| asked.reply());
            }
        }
    }
}

/// Gives back all that [`Grab::take`] and [`Hotkey::take`] took. The server has done it when this returns.
fn let_go(client: &RustConnection, root: Window) {
    speak_xinput2(client);
    let _ = client.ungrab_server();
    let _ = client.ungrab_keyboard(CURRENT_TIME);
    let _ = client.ungrab_pointer(CURRENT_TIME);
    for device in [MASTER_KEYBOARD, MASTER_POINTER] {
        let _ = client.xinput_xi_ungrab_device(CURRENT_TIME, device);
    }
    let _ = client.ungrab_key(ANY_KEY, root, ModMask::ANY);
    client.get_input_focus().expect("request").reply().expect("the server has done all before");
}

fn speak_xinput2(client: &RustConnection) {
    let _ = client.xinput_xi_query_version(2, 2).map(|asked| asked.reply());
}

impl Hotkey {
    fn take(self, client: &RustConnection, root: Window) {
        let mode = GrabMode::ASYNC;
        let old = |modifiers: ModMask, key| {
            client.grab_key(false, root, modifiers, key, mode, mode).expect("request").check().expect("the key");
        };
        match self {
            Self::Return => old(ModMask::from(0_u16), RETURN),
            Self::CtrlV => old(ModMask::CONTROL, V),
            Self::AnyReturn => old(ModMask::ANY, RETURN),
        }
    }
}

/// Grabs that hold from before the delivery to its end: nothing is typed, and the sender is told that it was blocked.
pub(crate) fn held(bout: Bout) -> Tally {
    let mut arena = bout.arena(&Options { count: 2, ..Options::default() });
    arena.timeout = "1s";
    let mut dice = Dice::new(bout.seed);
    for nth in 0..bout.deliveries {
        let grab = dice.one_of(&[Grab::Keyboard, Grab::Pointer, Grab::NewKeyboard, Grab::NewPointer]);
        let (client, root) = arena.client();
        grab.take(&client, root);
        let sent = arena.send(nth % 2);
        let_go(&client, root);
        // Who had no time left to look, on a busy machine, says that.
        let code = sent.receipt.reason.as_ref().map(|reason| reason.code.as_ref());
        let fits = sent.exit == 7 || (sent.exit == 4 && code == Some("out_of_time"));
        assert!(fits, "{grab:?}: exit {}, {:?}", sent.exit, sent.receipt);
    }
    let blocked = arena.sent().iter().filter(|sent| sent.exit == 7).count();
    assert!(blocked > 0, "no sender had the time to look");
    arena.verdict()
}

/// Grabs that come in the middle, and stay to the end.
///
/// Nobody grabs the server from the portable driver: enigo waits for the server's answer for ever, and so would this row.
pub(crate) fn sudden(bout: Bout) -> Tally {
    let mut arena = bout.arena(&Options { count: 2, ..Options::default() });
    arena.timeout = "3s";
    let display = arena.display().to_owned();
    let mut dice = Dice::new(bout.seed);
    for nth in 0..bout.deliveries {
        let all = [Grab::Keyboard, Grab::Pointer, Grab::NewKeyboard, Grab::NewPointer, Grab::Server];
        let grab = dice.one_of(if bout.driver == Driver::X11 { &all } else { &all[..4] });
        let (client, root) = arena.client();
        let moment = Moment::from_the_click_on(&mut dice);
        let (sent, _) = struck(&display, moment, || grab.take(&client, root), arena.delivery(nth % 2));
        let_go(&client, root);
        arena.keep(sent);
    }
    arena.verdict()
}

/// Hotkeys on the keys of the paste or of Enter: where they hold from before, they are seen, and never `submitted`.
pub(crate) fn hotkeys(bout: Bout) -> Tally {
    let mut arena = bout.arena(&Options { count: 2, ..Options::default() });
    arena.timeout = "2s";
    let mut dice = Dice::new(bout.seed);
    for nth in 0..bout.deliveries {
        let all = [Hotkey::Return, Hotkey::CtrlV, Hotkey::AnyReturn];
        let hotkey = dice.one_of(&all);
        let (client, root) = arena.client();
        hotkey.take(&client, root);
        let sent = arena.send(nth % 2);
        let_go(&client, root);
        assert_ne!(sent.exit, 0, "{hotkey:?}: {:?}", sent.receipt);
    }
    arena.verdict()
}
