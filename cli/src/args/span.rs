//! Spans of time as users write them: `30s`, `1.5m`, or bare seconds.

use std::time::Duration;

/// Longest span: a year, far above any sensible wait and far below overflow.
pub(crate) const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Units, longest suffix first so that `ms` is not read as `s`.
const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// Reads a span.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time; write for example 30s, 1.5m, 500ms or bare seconds");
    let trimmed = text.trim();
    let unit = UNITS.iter().find_map(|(suffix, seconds)| Some((trimmed.strip_suffix(suffix)?, *seconds)));
    let (number, seconds) = unit.unwrap_or((trimmed, 1.0));
    // Only plain decimals: f64's own parser also takes `inf`, `nan`, `1e9` and signs.
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(wrong());
    }
    let span_s = number.parse::<f64>().map_err(|_| wrong())? * seconds;
    match span_s <= SPAN_MAX.as_secs_f64() {
        true => Ok(Duration::from_secs_f64(span_s)),
        false => Err(format!("`{text}` is longer than a year")),
    }
}

/// Writes a span as [`parse_span`] reads it.
pub(crate) fn show_span(span: Duration) -> String {
    match (span.as_millis() % 1000, span.as_secs()) {
        (0, seconds) if seconds >= 86_400 && seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        (0, seconds) if seconds >= 3600 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (0, seconds) if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (0, seconds) => format!("{seconds}s"),
        (_, 0) => format!("{}ms", span.as_millis()),
        _ => format!("{}s", span.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_written() {
        for (text, millis) in
            [("30s", 30_000), ("1.5m", 90_000), ("30", 30_000), ("0", 0), ("250ms", 250), ("2h", 7_200_000)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for span in [0, 250, 1500, 30_000, 90_000, 120_000, 7_200_000, 172_800_000].map(Duration::from_millis) {
            assert_eq!(parse_span(&show_span(span)), Ok(span));
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for bad in ["", "s", "-1", "+1", "1e9", "inf", "nan", "1 2", "1.2.3", "5 parsecs", "9999999d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
