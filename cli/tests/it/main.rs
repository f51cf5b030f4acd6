//! The program, as its users run it: real processes, real signals, a real terminal.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo;
// Signal numbers, and what is read from /proc, are Linux's.
#[cfg(target_os = "linux")]
mod run_fixture;
#[cfg(target_os = "linux")]
mod run_foreign;
#[cfg(target_os = "linux")]
mod run_killed;
#[cfg(target_os = "linux")]
mod run_line;
#[cfg(target_os = "linux")]
mod run_nested;
#[cfg(target_os = "linux")]
mod run_signals;
#[cfg(target_os = "linux")]
mod run_status;
#[cfg(target_os = "linux")]
mod run_terminal;
#[cfg(target_os = "linux")]
mod run_waiting;
