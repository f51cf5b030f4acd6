//! Locks on the master that a real Sentinel names.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "a failover says how long it took")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod conformance;
mod double_grant;
mod failover;
mod site;
