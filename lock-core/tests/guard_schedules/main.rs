//! The guard, its heartbeat and the way to them, under a scheduler that chooses who goes on after each step: drop, release,
//! renewal, cancel, loss and time in every order that it finds.
//!
//! This compiles lock-core's own files, not copies. Only what they stand on is another: `sync` and `background` hand each
//! step to shuttle, `clock` is time that the schedule moves, and `store` is a backend whose messages are slow, lost, or
//! still on their way when nobody waits for them any more. tokio's own `Notify` and `oneshot` are single steps here, and all
//! orderings of atomics are the strongest.
//!
//! The full form; a failure is found again by the same numbers:
//! ```text
//! TALKSTICK_TEST_RUNS=6000 TALKSTICK_TEST_SEED=7 cargo test -p lock-core --test guard_schedules
//! ```
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "lock-core's public items are nobody else's here"
)]

#[path = "../../src/acquire.rs"]
mod acquire;
#[path = "../../src/acquire_options.rs"]
mod acquire_options;
#[path = "../../src/capability.rs"]
mod capability;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/event.rs"]
mod event;
#[path = "../../src/finish.rs"]
mod finish;
#[path = "../../src/guard.rs"]
mod guard;
#[path = "../../src/heartbeat.rs"]
mod heartbeat;
#[path = "../../src/held.rs"]
mod held;
#[path = "../../src/key.rs"]
mod key;
#[path = "../../src/lease_watch.rs"]
mod lease_watch;
#[path = "../../src/lock.rs"]
mod lock;
#[path = "../../src/moment.rs"]
mod moment;
#[path = "../../src/owner.rs"]
mod owner;
#[path = "../../src/priority.rs"]
mod priority;
#[path = "../../src/process.rs"]
mod process;
#[path = "../../src/queue.rs"]
mod queue;
#[path = "../../src/request.rs"]
mod request;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/state.rs"]
mod state;
#[path = "../../src/token.rs"]
mod token;

// What they stand on.
mod background;
mod clock;
mod sync;

mod asking;
mod beating;
mod exhaustive;
mod holding;
mod inheriting;
mod line;
mod mistake;
mod schedules;
mod store;
mod witness;

use acquire::DistributedLockExt;
use acquire_options::AcquireOptions;
use capability::Capabilities;
use error::{Error, LossReason, Operation};
use event::{LockEvent, Observer};
use guard::Guard;
use held::{HeldLease, HeldLeases};
use key::{KEY_BYTES_MAX, LockKey};
use lock::DistributedLock;
use moment::Moment;
use owner::Owner;
use priority::Priority;
use process::{process_is_stopped, process_start};
use request::{Entered, Lease, ParentLease, Place, Renewed, Request, RequestId, Ticket, Waited};
use secret::{Secret, SecretHash};
use state::{Holder, KeyState};
use token::FencingToken;
