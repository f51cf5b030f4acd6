//! The Redis backend of talkstick's lock: one ordered line for many hosts.
//!
//! The line, the lease and the handover live in Lua scripts on the server (`src/lua/`), each with its contract in its head;
//! see [`RedisLock`] for what they promise. One connection (on a Cluster, one to each node) serves all keys of a
//! client: requests, answers, and the wake-ups that the server pushes.

mod backend;
mod cluster;
mod config;
mod connecting;
mod connection;
mod deadline;
mod error;
mod handshake;
mod health;
mod keys;
mod known_keys;
mod line;
mod link;
mod live;
mod observe;
mod quorum;
mod replicas;
mod reply;
mod scripts;
mod sentinel;
mod server;
mod silence;
mod url;
mod waiting;

pub use backend::{RedisLock, SCHEMES};
pub use config::{
    Address, PREFIX_BYTES_MAX, PREFIX_DEFAULT, Password, QUORUM_MIN, RedisConfig, TIMEOUT_DEFAULT, TlsFiles,
};
pub use error::wants_password;
pub use health::{Health, Persistence};
pub use quorum::QuorumLock;
