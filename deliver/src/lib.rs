//! Delivery of messages into agents' windows, one at a time per input device, and never to the wrong one.

pub mod desktop;
