//! Histories of real senders on a real server, judged by what the contract promises: on many hosts, and under random faults.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "senders say what they had, and schedules what they were"
)]

mod clocks;
mod crowd;
mod fault;
mod history;
mod many_hosts;
mod moving;
mod network_fault;
mod operator;
mod quorum;
mod runner;
mod schedules;
mod sender;
mod tampered;
