//! Durations as milliseconds in configuration, receipts and the journal.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Longest duration that is read: one day. Longer ones are mistakes, and `Duration` would overflow further up.
const MILLISECONDS_MAX: f64 = 24.0 * 3600.0 * 1000.0;

/// Milliseconds with microsecond precision.
pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((span.as_secs_f64() * 1e6).round() / 1e3)
}

/// Reads what [`serialize`] writes, and whole numbers.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let milliseconds = f64::deserialize(from)?;
    if !(0.0..=MILLISECONDS_MAX).contains(&milliseconds) {
        return Err(serde::de::Error::custom(format!("{milliseconds} is not between 0 and one day in milliseconds")));
    }
    Ok(Duration::from_secs_f64(milliseconds / 1e3))
}

/// The same for settings that may be absent.
pub(crate) mod optional {
    use super::{Deserializer, Duration, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(from).map(Some)
    }
}
