//! The keeper: one small process per display that owns the clipboard for the senders, and watches their server grabs.
//!
//! Why a process of its own:
//! - An owner that dies with a request in flight hangs some targets for good (Chromium), so the owner must outlive every
//!   sender, a killed one too.
//! - A sender that is stopped inside a server grab freezes every client of the display. Something that is not frozen must
//!   end the grab: a thread here that never talks to the X server.
//!
//! ```text
//!  sender ---- its own connection (checks, keys) -----------> X server
//!    |  control socket: offers, receipts                       ^   ^
//!    |  watch socket: "grab begins", "grab ends"               |   |
//!    v                                                         |   |
//!  keeper: main thread -- owns the selections, serves, saves --+   |
//!          watchdog thread -- ends the sender's X connection ------+
//! ```
//!
//! There is one keeper per display and user: it holds a kernel lock on a file beside its socket. It is started by the
//! first sender, lives in a session of its own, and ends when it owns nothing and nobody is connected, or with the display.

mod client;
mod command;
mod content;
mod folder;
mod frame;
mod incr;
mod late;
mod owner;
mod peer;
mod reading;
mod request;
mod saved;
mod senders;
mod server;
mod side;
mod watch;
mod watchdog;

pub(super) use client::{KeeperClient, Offered};
pub use command::{KEEPER_VARIABLE, KeeperCommand, become_when_asked, run};
pub use folder::is_running;
pub(super) use frame::FromKeeper;
pub(super) use watch::Watch;
