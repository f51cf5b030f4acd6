//! Real programs for tests: displays, window managers, agent windows, terminals, browsers.
//!
//! - Every fixture is the real thing in a process of its own, and ends only that process when it is dropped. A test that
//!   is killed leaves none behind either: the kernel ends the children with it.
//! - Readiness is probed with a deadline, never slept for. Displays, ports and folders are chosen by the system, so tests
//!   run beside each other.
//! - Fixtures panic: a fixture that does not come up is a failed test, and its message says what the program printed.
//! - A program that is not installed skips the test loudly at home and fails it where `CI` is set: [`require!`].
//!
//! Of the workspace it uses `deliver` alone, for the agent windows. The unit tests of `deliver` and `lock-core` must not
//! hand types of their own to it: to the compiler those are other types than the library's.

pub mod log_events;
pub mod loopback;
pub mod messages;
pub mod probe;
pub mod require;
pub mod role;
pub mod told;

#[cfg(target_os = "linux")]
pub mod accessibility_bus;
#[cfg(target_os = "linux")]
pub mod agent_windows_process;
#[cfg(target_os = "linux")]
pub mod chromium;
#[cfg(target_os = "linux")]
pub mod clipboard;
#[cfg(target_os = "linux")]
pub mod display_between;
#[cfg(target_os = "linux")]
pub mod hand;
#[cfg(target_os = "linux")]
pub mod hosts;
#[cfg(target_os = "linux")]
pub mod openbox;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod redis_cluster;
#[cfg(target_os = "linux")]
pub mod redis_failover;
#[cfg(target_os = "linux")]
pub mod redis_part;
#[cfg(target_os = "linux")]
pub mod redis_quorum;
#[cfg(target_os = "linux")]
pub mod redis_sentinel;
#[cfg(target_os = "linux")]
pub mod redis_server;
#[cfg(target_os = "linux")]
pub mod small_disk;
#[cfg(target_os = "linux")]
pub mod terminal_messages;
#[cfg(target_os = "linux")]
pub mod text_windows;
#[cfg(unix)]
pub mod users;
#[cfg(target_os = "linux")]
pub mod wall_clock;
#[cfg(target_os = "linux")]
pub mod weston;
#[cfg(target_os = "linux")]
pub mod xterm;
#[cfg(target_os = "linux")]
pub mod xvfb;
#[cfg(target_os = "linux")]
pub mod xvnc;
