//! What the guard, its heartbeat and the way to them are synchronised by.
//!
//! `tests/guard_schedules` compiles their files with twins of these in place, which hand each step to a scheduler.

pub(crate) use std::sync::{
    LazyLock, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

pub(crate) use tokio::sync::Notify;
