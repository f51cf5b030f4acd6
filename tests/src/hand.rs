//! A hand at the mouse and keyboard: synthetic input, as a person's or a simple sender's.

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// Symbols of keys for [`Hand::chord`].
pub mod key {
    /// Return.
    pub const RETURN: u32 = 0xff0d;
    /// Left Ctrl.
    pub const CTRL: u32 = 0xffe3;
    /// Left Shift.
    pub const SHIFT: u32 = 0xffe1;
    /// Insert.
    pub const INSERT: u32 = 0xff63;
    /// The letter v.
    pub const V: u32 = b'v' as u32;
}

/// Synthetic input on one display; every call returns once the server has taken the input.
///
/// It does nothing for correctness: no lock, no look at the focus. That is for those under test.
#[derive(Debug)]
pub struct Hand {
    connection: RustConnection,
    root: Window,
}

impl Hand {
    /// Reaches for the mouse and keyboard of a display.
    ///
    /// # Panics
    /// When the display is not there. So do all methods.
    pub fn on(display: &str) -> Self {
        let (connection, screen) = RustConnection::connect(Some(display)).expect("the display is there");
        let root = connection.setup().roots[screen].root;
        Self { connection, root }
    }

    /// Moves the pointer to a point of the root window.
    pub fn move_to(&self, (x, y): (i16, i16)) {
        self.fake(MOTION_NOTIFY_EVENT, 0, (x, y));
        self.sync();
    }

    /// Moves the pointer to a point and clicks the first button.
    pub fn click(&self, point: (i16, i16)) {
        self.fake(MOTION_NOTIFY_EVENT, 0, point);
        self.fake(BUTTON_PRESS_EVENT, 1, (0, 0));
        self.fake(BUTTON_RELEASE_EVENT, 1, (0, 0));
        self.sync();
    }

    /// Presses keys in this order and releases them in the reverse one: `&[key::CTRL, key::V]`.
    pub fn chord(&self, keysyms: &[u32]) {
        self.press(keysyms);
        self.release(keysyms);
    }

    /// Presses keys in this order and keeps them down, as a sender that died in the middle does.
    pub fn press(&self, keysyms: &[u32]) {
        keysyms.iter().for_each(|keysym| self.fake(KEY_PRESS_EVENT, self.keycode(*keysym), (0, 0)));
        self.sync();
    }

    /// Releases keys in the reverse of this order.
    pub fn release(&self, keysyms: &[u32]) {
        keysyms.iter().rev().for_each(|keysym| self.fake(KEY_RELEASE_EVENT, self.keycode(*keysym), (0, 0)));
        self.sync();
    }

    /// Whether the key is down, for whomever.
    pub fn is_down(&self, keysym: u32) -> bool {
        let keys = self.connection.query_keymap().expect("request").reply().expect("the keys").keys;
        let key = self.keycode(keysym);
        keys[usize::from(key / 8)] >> (key % 8) & 1 == 1
    }

    /// Types small letters, digits and spaces.
    pub fn type_plainly(&self, text: &str) {
        text.chars().for_each(|character| self.chord(&[character.into()]));
    }

    /// The window that has the focus; 0 is none, 1 is the one under the pointer.
    pub fn focus(&self) -> Window {
        self.connection.get_input_focus().expect("request").reply().expect("the focus").focus
    }

    /// Gives the focus to a window.
    pub fn set_focus(&self, window: Window) {
        let mode = x11rb::protocol::xproto::InputFocus::POINTER_ROOT;
        self.connection.set_input_focus(mode, window, x11rb::CURRENT_TIME).expect("request").check().expect("focus");
    }

    fn fake(&self, kind: u8, detail: u8, (x, y): (i16, i16)) {
        self.connection.xtest_fake_input(kind, detail, 0, self.root, x, y, 0).expect("request");
    }

    fn sync(&self) {
        self.connection.get_input_focus().expect("request").reply().expect("the server takes input");
    }

    /// The key that has this symbol without modifiers. Asked anew each time, for tests change the mapping.
    fn keycode(&self, keysym: u32) -> u8 {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = self.connection.get_keyboard_mapping(first, last - first + 1).expect("request");
        let mapping = mapping.reply().expect("the keyboard");
        let mut keys = mapping.keysyms.chunks(mapping.keysyms_per_keycode.into());
        let at = keys.position(|symbols| symbols.first() == Some(&keysym));
        let at = at.unwrap_or_else(|| panic!("no key has the symbol {keysym:#x} without modifiers"));
        first + u8::try_from(at).expect("keycodes are bytes")
    }
}
