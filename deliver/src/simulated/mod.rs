//! A simulated desktop in a process of its own, for demonstrations and tests: one pointer, one focus, one clipboard, and
//! as strict as a real one.
//!
//! Focus follows a click late, a paste reads the clipboard late, and Enter submits whatever stands in the focused window
//! at that moment; so senders that do not take turns really do misroute and garble. Faults are set off on demand.
//! Delays come from a seed: the same requests in the same order have the same delays.

mod client;
mod clipboard;
mod connection;
mod control;
mod delays;
mod desk;
mod fault;
mod log;
mod process;
mod raw;
mod refused;
mod requests;
mod server;
mod socket;
mod transport;
mod window;
mod wire;
mod world;

pub use client::SimulatedDesktop;
pub use control::Control;
pub use fault::{Fault, FaultKind};
pub use log::{Log, Submitted, WindowLog};
pub use process::DesktopProcess;
pub use raw::Raw;
pub use server::{DesktopConfig, Listen, WINDOWS_MAX, serve};
pub use transport::{Address, BadAddress};
pub use wire::SimulatedError;
