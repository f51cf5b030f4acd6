//! What the demo prints in the end.

use std::time::Duration;

use comfy_table::CellAlignment;
use serde::Serialize;

use super::{
    run::{LockChoice, Run},
    score::Score,
    stage::Stage,
};
use crate::ui;

/// The object of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    surface: &'static str,
    backend: String,
    scenarios: Vec<ScenarioReport>,
}

/// One run.
#[derive(Debug, Serialize)]
struct ScenarioReport {
    name: String,
    protected: bool,
    sent: usize,
    arrived: usize,
    misrouted: usize,
    garbled: usize,
    lost: usize,
    duplicated: usize,
    out_of_order: usize,
    seconds: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
}

impl Report {
    pub(crate) fn new(stage: &Stage, lock: &LockChoice, runs: &[Run]) -> Self {
        Self {
            surface: stage.surface(),
            backend: lock.scheme().to_owned(),
            scenarios: runs.iter().map(ScenarioReport::new).collect(),
        }
    }
}

impl ScenarioReport {
    fn new(run: &Run) -> Self {
        let Score { sent, arrived, misrouted, garbled, lost, duplicated, out_of_order, median, p95 } = run.score;
        let milliseconds = |span: Duration| rounded(span.as_secs_f64() * 1e3);
        Self {
            name: run.scenario.to_string(),
            protected: run.protected,
            sent,
            arrived,
            misrouted,
            garbled,
            lost,
            duplicated,
            out_of_order,
            seconds: rounded(run.took.as_secs_f64()),
            p50_ms: median.map(milliseconds),
            p95_ms: p95.map(milliseconds),
        }
    }
}

/// To a thousandth: more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// The table.
pub(crate) fn table(runs: &[Run]) -> String {
    const HEADER: [&str; 12] = [
        "scenario",
        "sent with",
        "sent",
        "arrived",
        "wrong window",
        "garbled",
        "lost",
        "twice",
        "out of order",
        "seconds",
        "median",
        "p95",
    ];
    let mut table = ui::table(&HEADER);
    for run in runs {
        let Score { sent, arrived, misrouted, garbled, lost, duplicated, out_of_order, median, p95 } = run.score;
        let counts = [sent, arrived, misrouted, garbled, lost, duplicated, out_of_order].map(|count| count.to_string());
        let mut row = vec![run.scenario.to_string(), if run.protected { "talkstick" } else { "no lock" }.to_owned()];
        row.extend(counts);
        row.push(format!("{:.2}", run.took.as_secs_f64()));
        row.extend([median, p95].map(span));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    // Padding at the end of lines is in the way of everything but the eye.
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn span(span: Option<Duration>) -> String {
    match span {
        None => "-".to_owned(),
        Some(span) if span < Duration::from_millis(1000) => format!("{:.0} ms", span.as_secs_f64() * 1e3),
        Some(span) => format!("{:.1} s", span.as_secs_f64()),
    }
}

/// One line that says what was seen, and no more.
pub(crate) fn conclusion(runs: &[Run], stage: &Stage) -> String {
    let total = |protected: bool| {
        let runs = runs.iter().filter(|run| run.protected == protected);
        runs.fold((0, 0), |(sent, arrived), run| (sent + run.score.sent, arrived + run.score.arrived))
    };
    let ((sent, arrived), (sent_before, arrived_before)) = (total(true), total(false));
    let place = stage.words();
    let before = match sent_before {
        0 => String::new(),
        _ => format!(" Without it: {arrived_before} of {sent_before}."),
    };
    if all_perfect(runs) {
        return format!(
            "With talkstick all {sent} messages arrived on {place}, each once, in its window, in the order of asking.{before}"
        );
    }
    format!("With talkstick {arrived} of {sent} messages arrived right on {place}: all should have.{before}")
}

/// Whether talkstick did in every run what it promises.
pub(crate) fn all_perfect(runs: &[Run]) -> bool {
    runs.iter().filter(|run| run.protected).all(|run| run.score.is_perfect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{scenario::Scenario, stage::PrivateStage};

    fn run(protected: bool, score: Score) -> Run {
        let scenario = Scenario { senders: 3, messages: 2 };
        Run { scenario, protected, score, took: Duration::from_millis(812), problems: Vec::new() }
    }

    fn right(arrived: usize) -> Score {
        let times = (Some(Duration::from_micros(12_345)), Some(Duration::from_millis(1_250)));
        Score { sent: 6, arrived, lost: 6 - arrived, median: times.0, p95: times.1, ..Score::default() }
    }

    #[test]
    fn the_conclusion_claims_what_was_seen() {
        let stage = Stage::Private(PrivateStage::Simulated);
        let all = conclusion(&[run(false, right(1)), run(true, right(6))], &stage);
        assert!(all.contains("all 6 messages arrived on a simulated desktop"), "{all}");
        assert!(all.ends_with("Without it: 1 of 6."), "{all}");
        let alone = conclusion(&[run(true, right(6))], &stage);
        assert!(!alone.contains("Without"), "{alone}");
        let some = conclusion(&[run(true, right(6)), run(true, right(5))], &stage);
        assert!(some.contains("11 of 12") && !some.contains("each once"), "{some}");
    }

    #[test]
    fn only_protected_runs_must_be_perfect() {
        assert!(all_perfect(&[run(false, right(0)), run(true, right(6))]));
        assert!(!all_perfect(&[run(true, right(6)), run(true, right(5))]));
        let twice = Score { duplicated: 1, ..right(6) };
        assert!(!all_perfect(&[run(true, twice)]));
    }

    #[test]
    fn the_table_has_a_line_for_each_run() {
        let table = table(&[run(false, Score { sent: 6, lost: 6, ..Score::default() }), run(true, right(6))]);
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["3x2", "no", "lock", "6", "0", "0", "0", "6", "0", "0", "0.81", "-", "-"]);
        assert_eq!(rows[1], ["3x2", "talkstick", "6", "6", "0", "0", "0", "0", "0", "0.81", "12", "ms", "1.2", "s"]);
    }

    #[test]
    fn json_keeps_milliseconds_with_thousandths_and_says_when_there_are_none() {
        let report = ScenarioReport::new(&run(true, right(6)));
        assert_eq!((report.p50_ms, report.p95_ms, report.seconds), (Some(12.345), Some(1250.0), 0.812));
        let nothing = serde_json::to_value(ScenarioReport::new(&run(false, Score::default()))).unwrap();
        assert!(nothing["p50_ms"].is_null());
    }
}
