//! The names that this driver and its keeper use on the server.

#![allow(clippy::allow_attributes, reason = "the macro below brings its own")]
#![allow(missing_docs, reason = "each is the atom of that name")]

x11rb::atom_manager! {
    /// Atoms by name; asked for once per connection, in one round trip.
    pub(super) Atoms: AtomsCookie {
        CLIPBOARD,
        TARGETS,
        TIMESTAMP,
        MULTIPLE,
        SAVE_TARGETS,
        DELETE,
        ATOM_PAIR,
        NULL,
        INCR,
        UTF8_STRING,
        TEXT,
        TEXT_PLAIN_UTF8: b"text/plain;charset=utf-8",
        PASSWORD_HINT: b"x-kde-passwordManagerHint",
        WM_STATE,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_ACTIVE_WINDOW,
        _NET_SUPPORTED,
        _NET_SUPPORTING_WM_CHECK,
        _TALKSTICK,
        _TALKSTICK_KEEPER,
        _TALKSTICK_PRESSED,
        _TALKSTICK_TIME,
        _TALKSTICK_UNSENT,
    }
}
