//! The shape of the merged configuration, as serde reads it.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use deliver::{ProfileOverrides, desktop::WindowIdentity};
use serde::{Deserialize, Deserializer, de};

use super::driver::Driver;
use crate::args::parse_span;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSettings {
    pub(crate) lock: RawLock,
    pub(crate) file: RawFile,
    pub(crate) queue: RawQueue,
    pub(crate) redis: RawRedis,
    pub(crate) sweep: RawSweep,
    pub(crate) send: RawSend,
    pub(crate) message: RawMessage,
    pub(crate) desktop: RawDesktop,
    pub(crate) human: RawHuman,
    pub(crate) run: RawRun,
    #[serde(default)]
    pub(crate) simulated: RawSimulated,
    #[serde(default)]
    pub(crate) agents: BTreeMap<String, RawAgent>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, ProfileOverrides>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawLock {
    pub(crate) backend: String,
    pub(crate) ttl: Span,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawFile {
    pub(crate) allow_network_fs: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawRedis {
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) sentinel_user: Option<String>,
    pub(crate) sentinel_password_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) prefix: String,
    pub(crate) timeout: Span,
    pub(crate) wait_replicas: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawQueue {
    pub(crate) max: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawSweep {
    pub(crate) first: Span,
    pub(crate) factor: f64,
    pub(crate) max: Span,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawSend {
    pub(crate) timeout: Span,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawMessage {
    pub(crate) bytes_max: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawDesktop {
    pub(crate) key: Option<String>,
    pub(crate) driver: Driver,
    pub(crate) allow_wayland: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawHuman {
    pub(crate) idle: Span,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RawSimulated {
    pub(crate) address: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawRun {
    pub(crate) timeout: Span,
    pub(crate) grace: Span,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawAgent {
    pub(crate) surface: Option<String>,
    pub(crate) point: Option<(i32, i32)>,
    pub(crate) window: Option<WindowIdentity>,
    pub(crate) profile: Option<String>,
    pub(crate) description: Option<String>,
}

/// A span of time: text with a unit, or a number of seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time such as \"30s\", or a number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        parse_span(text).map(Span).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }
}
