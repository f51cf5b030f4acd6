//! The lock of talkstick: one contract for every store.
//!
//! Only the one who holds the talking stick speaks. A backend implements [`DistributedLock`]; callers acquire through
//! [`DistributedLockExt`] and hold a [`Guard`].

mod acquire;
mod acquire_options;
pub mod background;
mod blocking;
mod capability;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dir;
mod error;
mod event;
mod file_error;
pub mod filesystem;
mod finish;
pub mod flock;
mod guard;
mod heartbeat;
mod held;
mod key;
mod lease_watch;
mod lock;
mod moment;
mod owner;
mod priority;
#[cfg(unix)]
mod private_folder;
mod process;
pub mod queue;
mod registry;
mod request;
mod secret;
mod stack;
mod state;
mod sweep;
mod sync;
mod thread;
mod token;
pub mod turn;

pub use acquire::DistributedLockExt;
pub use acquire_options::{AcquireOptions, TIMEOUT_DEFAULT, TTL_DEFAULT};
pub use blocking::{BlockingGuard, BlockingLock};
pub use capability::Capabilities;
pub use clock::wall_clock_us;
pub use error::{Error, KeyError, LossReason, Operation};
pub use event::{LockEvent, NOTICE, Observer};
pub use file_error::FileError;
pub use guard::{Guard, Permit};
pub use held::{HELD_VARIABLE, HeldLease, HeldLeases};
pub use key::{KEY_BYTES_MAX, LockKey};
pub use lock::DistributedLock;
pub use moment::Moment;
pub use owner::{LABEL_BYTES_MAX, Owner};
pub use priority::{Priority, UnknownPriority};
#[cfg(unix)]
pub use private_folder::{is_private_folder, private_folder};
pub use process::{ProcessStat, process_is_stopped, process_start, process_stat};
pub use registry::{Opening, Registry, StoreConfig};
pub use request::{Entered, Lease, ParentLease, Place, Renewed, Request, RequestId, Ticket, Waited};
pub use secret::{Secret, SecretHash};
pub use stack::{Gate, Stack, StackGuard};
pub use state::{Holder, KeyState, Waiter};
pub use sweep::Sweep;
pub use thread::ThreadLock;
pub use token::FencingToken;
