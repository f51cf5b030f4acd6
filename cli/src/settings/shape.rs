//! What each setting's value must look like, so that a wrong one is told in words that say what to write.

use std::{fmt, time::Duration};

use config::{Value, ValueKind};

use crate::args::{parse_span, show_span};

/// The shape of a value. Values from the environment are texts, so a text that reads as the right thing fits too.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Any text but the empty one.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Truth,
    /// A whole number in these bounds.
    Whole(i64, i64),
    /// A number in these bounds.
    Number(f64, f64),
    /// A span of time in these bounds.
    Span(Duration, Duration),
    /// A pair of whole numbers.
    Point,
}

impl Shape {
    /// Whether the value has this shape.
    pub(super) fn fits(self, value: &Value) -> bool {
        match (self, &value.kind) {
            (Self::Text, ValueKind::String(text)) => !text.is_empty(),
            (Self::OneOf(words), ValueKind::String(text)) => words.contains(&text.as_str()),
            (Self::Truth, ValueKind::Boolean(_)) => true,
            (Self::Truth, ValueKind::String(text)) => matches!(text.as_str(), "true" | "false"),
            (Self::Whole(min, max), kind) => whole(kind).is_some_and(|number| (min..=max).contains(&number)),
            (Self::Number(min, max), kind) => number(kind).is_some_and(|number| (min..=max).contains(&number)),
            (Self::Span(min, max), kind) => span(kind).is_some_and(|span| (min..=max).contains(&span)),
            (Self::Point, ValueKind::Array(pair)) => {
                pair.len() == 2
                    && pair.iter().all(|n| matches!(n.kind, ValueKind::I64(whole) if i32::try_from(whole).is_ok()))
            }
            _ => false,
        }
    }
}

fn whole(kind: &ValueKind) -> Option<i64> {
    match kind {
        ValueKind::I64(number) => Some(*number),
        ValueKind::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn number(kind: &ValueKind) -> Option<f64> {
    match kind {
        ValueKind::I64(number) => Some(*number as f64),
        ValueKind::Float(number) => Some(*number),
        ValueKind::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn span(kind: &ValueKind) -> Option<Duration> {
    match kind {
        ValueKind::I64(number) => parse_span(&number.to_string()).ok(),
        ValueKind::Float(number) => parse_span(&number.to_string()).ok(),
        ValueKind::String(text) => parse_span(text).ok(),
        _ => None,
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text that is not empty"),
            Self::OneOf(words) => f.write_str(&words.join(" or ")),
            Self::Truth => f.write_str("true or false"),
            Self::Whole(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Span(min, max) => {
                let (min, max) = (show_span(*min), show_span(*max));
                write!(f, "a span of time from {min} to {max}, such as \"30s\", \"1.5m\" or bare seconds")
            }
            Self::Point => f.write_str("two whole numbers [x, y] such as [-1269, 481]"),
        }
    }
}
