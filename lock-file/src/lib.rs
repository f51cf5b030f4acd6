//! The file backend of talkstick's lock: the default, with nothing to install.
//!
//! The kernel's flock on one file per key is the lock; see [`FileLock`] for what it promises. A line beside it gives order,
//! priorities and aging, and hands the lock over by event: each waiting process sleeps in the kernel on the file of
//! the one ahead, and the head on the lock itself. What sleeps wakes by itself when the one ahead dies.

mod backend;
mod breaking;
mod config;
mod enter;
mod entry;
mod error;
mod grant;
mod header;
mod holder;
mod key;
mod key_files;
mod known_keys;
mod layout;
mod line;
mod mark;
mod number;
mod observe;
mod proc_locks;
mod record;
mod renewal;
mod sleeper;
mod sweep;
mod table;
#[cfg(test)]
mod testing;
mod threads;
mod waiters;
mod waiting;

pub use backend::FileLock;
pub use config::FileConfig;
pub use known_keys::known_keys;
