//! What is said when a server refuses: each error comes from a real server, names it, says what to do, and never holds a
//! password.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod cluster;
mod old_server;
mod quorum;
mod rights;
mod sentinel;
mod server;
mod tls;

use lock_core::Error;
use lock_redis::{RedisConfig, RedisLock};

/// The whole chain, as a user sees it.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    // What a log might show instead is held to the same.
    assert!(!format!("{text} {error:?}").contains("secret"), "{text} {error:?}");
    text
}

/// The store cannot be opened, and the error says all of `parts`.
#[track_caller]
fn refused(config: RedisConfig, parts: &'static [&'static str]) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let error = RedisLock::open(config).await.unwrap_err();
        says(&error, parts, &caller.to_string());
    }
}

fn says(error: &Error, parts: &[&str], place: &str) {
    let text = said(error);
    for part in parts {
        assert!(text.contains(part), "{place}: no `{part}` in: {text}");
    }
}
