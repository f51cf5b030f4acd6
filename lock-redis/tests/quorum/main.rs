//! Locks on a quorum of real servers.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

#[path = "../client/mod.rs"]
mod client;
mod conformance;
mod faults;
mod late;
mod lines;
mod majorities;
mod site;
