//! The X11 driver against real X servers, real windows and real adversaries.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

mod adversaries;
mod askers;
mod delivery;
mod desk;
mod hidden_focus;
mod keeper_killed;
mod keeping;
mod late_claims;
mod late_fetch;
mod mark;
mod person;
mod portable;
mod postponed;
mod programs;
mod reading;
mod saving;
mod sender;
mod unfinished;
mod unsent;
mod wayland;
