//! The SQLite backend of talkstick's lock: one database file for all keys of one host.
//!
//! The rows say who holds and who waits, in order; see [`SqliteLock`] for what they promise. Life and wake-ups are the
//! kernel's: a lease is held exactly as long as its baton file is flock'd, and each waiting process sleeps on the file
//! of the one ahead. A release therefore needs no database, and what sleeps wakes by itself when the one ahead dies.

mod backend;
mod baton;
mod behind;
mod breaking;
mod busy;
mod change;
mod config;
mod connection;
mod connections;
mod enter;
mod entry;
mod error;
mod grant;
mod health;
mod key;
mod known_keys;
mod layout;
mod near;
mod observe;
mod queries;
mod rebuild;
mod renewal;
mod schema;
mod sleeper;
mod store;
mod sweep;
#[cfg(test)]
mod testing;
mod waiting;

pub use backend::SqliteLock;
pub use config::SqliteConfig;
pub use health::{Health, health};
pub use known_keys::known_keys;
