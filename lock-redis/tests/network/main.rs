//! What a network can do to those who hold and wait: answers are lost, cut and late, and nothing arrives any more.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod answers;
#[path = "../client/mod.rs"]
mod client;
mod connecting;
mod late;
mod line;
mod loss;
mod site;
