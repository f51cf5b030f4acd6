//! What the benchmarks share: medians, and one line a figure, always beside its baseline.

use std::time::Duration;

/// The middle of some spans.
pub(crate) fn median(mut spans: Vec<Duration>) -> Duration {
    assert!(!spans.is_empty(), "nothing was measured");
    spans.sort_unstable();
    spans[spans.len() / 2]
}

/// Prints a figure and its baseline from the same run.
pub(crate) fn compare(what: &str, ours: Duration, baseline_name: &str, baseline: Duration) {
    let ratio = ours.as_secs_f64() / baseline.as_secs_f64();
    say(&format!(
        "{what:<44} {:>10.1} us   {baseline_name:<18} {:>10.1} us   ratio {ratio:>6.2}",
        micros(ours),
        micros(baseline)
    ));
}

/// Prints a figure that has no baseline.
pub(crate) fn figure(what: &str, value: &str) {
    say(&format!("{what:<44} {value}"));
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[allow(clippy::print_stdout, reason = "a benchmark reports")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
