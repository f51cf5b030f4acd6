//! Delivery of messages into agents' windows, one at a time per input device, and never to the wrong one.
//!
//! A [`Deliverer`] joins [`DesktopLocks`], a [`Surface`] and a [`Journal`]: it connects, waits in line, delivers one [`Message`]
//! under the lock and tells in a [`Receipt`] what is known, and nothing more. Only code that borrows a
//! [`lock_core::Permit`] from a held lock can touch an input device.

#[cfg(target_os = "linux")]
pub mod agent_windows;
mod clean;
mod deliverer;
pub mod desktop;
mod journal;
mod locks;
mod message;
mod milliseconds;
mod postponed;
mod profile;
mod receipt;
mod send_error;
pub mod simulated;
mod stop;
mod surface;
mod target;
mod task;
mod waiting;

pub use clean::Cleaned;
pub use deliverer::{Deliverer, IDLE_DEFAULT, SendOptions};
pub use journal::{Journal, JournalEntry, JournalError, Recorded};
pub use locks::{DesktopLocks, HostGates};
pub use message::{FROM_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGE_ID_BYTES_MAX, Message, MessageError, MessageId};
pub use profile::{PROFILE_NAMES, Profile, ProfileError, ProfileOverrides};
pub use receipt::{Evidence, Outcome, Reason, Receipt, State};
pub use send_error::SendError;
pub use stop::Stop;
pub use surface::{Delivery, Session, Surface};
pub use target::{Agent, SurfaceKind, SurfaceNotBuilt, UnknownSurface};
pub use waiting::{PostponedObserver, Waiting};
