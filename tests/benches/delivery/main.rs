//! Deliveries to real windows against the seed's sequence with its pauses, in one run: `cargo bench -p tests --bench delivery`.
//!
//! A delivery is what a sender waits for: its place in the line, the paste, the target's fetch, Enter, the profile's quiet
//! after it, and both syncs of the journal. The seed's sequence knows none of that; it pauses instead.

#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../it/desktop_delivery/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../it/desktop_delivery/deliverers.rs"]
mod deliverers;
#[path = "../measure/mod.rs"]
mod measure;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../it/desktop_delivery/program.rs"]
mod program;
mod seed;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../it/desktop_delivery/stage.rs"]
mod stage;
mod steps;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../it/desktop_delivery/texts.rs"]
mod texts;

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use deliver::{Message, SendOptions, State};

use crate::{
    crowd::{MESSAGES, plan, send_by_program},
    deliverers::{Deliverers, agent, deliverer},
    measure::{compare, figure, median, say},
    program::{Root, talkstick},
    stage::{Arrived, Stage},
    steps::{Measured, Steps},
};

/// Single deliveries to each kind of window; the first ones meet a cold keeper and a cold target.
const ROUNDS: usize = 200;
const WARM_UP: usize = 10;

/// Runs of sixteen senders with five messages each.
const CROWDS: usize = 3;

fn main() {
    // The benchmark starts itself again as the processes that send, and as the one that measures: whose environment is the
    // display's, for a driver finds its display there.
    match std::env::args().nth(1).as_deref() {
        Some("--sender") => return deliverers::play(),
        Some("--one-by-one") => return one_by_one(),
        _ => {}
    }
    for (name, start) in [("own window", (|| Stage::windows(false)) as fn() -> Stage), ("Chromium", Stage::browser)] {
        say(&format!("{name}:"));
        single(name, &mut start());
        crowds(name, start);
    }
}

/// One sender alone, one message after the other, beside the seed's sequence on the same windows.
fn single(name: &str, stage: &mut Stage) {
    let root = Root::new(stage.display(), &stage.config());
    let mut command = root.isolated(&std::env::current_exe().expect("own path"));
    let places = serde_json::to_string(&stage.places()).expect("JSON");
    command.arg("--one-by-one").arg(root.path()).arg(talkstick()).arg(places);
    let output = command.stderr(std::process::Stdio::inherit()).output().expect("started");
    assert!(output.status.success(), "{name}: {}", output.status);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let measured: Measured = serde_json::from_str(said.trim()).expect("what was measured");
    let arrived = stage.arrived(WARM_UP + ROUNDS);
    assert_eq!(arrived.submitted.iter().map(Vec::len).sum::<usize>(), WARM_UP + ROUNDS);
    let baseline = seed::one_by_one(stage);
    compare("a verified delivery, p50", median(measured.whole.clone()), "the seed's pauses", baseline);
    figure("one sync of the journal's disk alone, p50", &format!("{:>10.1} us", micros(sync(&root.path()))));
    figure("a verified delivery, p95", &format!("{:>10.1} us", micros(measured.p95())));
    for (step, took) in measured.medians() {
        figure(&format!("  of it: {step}"), &format!("{:>10.1} us", micros(took)));
    }
}

/// An append of a journal line's length, and its way to the disk.
fn sync(folder: &Path) -> Duration {
    let mut file = std::fs::File::create(folder.join("sync")).expect("a file");
    let append = |_| {
        file.write_all(&[b'x'; 150]).expect("written");
        let began = Instant::now();
        file.sync_data().expect("synced");
        began.elapsed()
    };
    median((0..ROUNDS).map(append).collect())
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// The body of the process that delivers one by one.
fn one_by_one() {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [root, talkstick, places] = &arguments[..] else { panic!("three arguments") };
    let places: Vec<(deliver::desktop::Place, String)> = serde_json::from_str(places).expect("places");
    let steps = Steps::listen();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let deliverer = deliverer(Path::new(root), Path::new(talkstick));
    let mut measured = Measured::default();
    for nth in 0..WARM_UP + ROUNDS {
        let (place, profile) = places[nth % places.len()].clone();
        let message = Message::new(&format!("message {nth}\nsecond line")).expect("a message").0;
        steps.take();
        let began = Instant::now();
        let receipt = runtime.block_on(deliverer.send(&message, &agent(place, &profile), &SendOptions::default()));
        let ended = Instant::now();
        let receipt = receipt.expect("a receipt");
        assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
        if nth >= WARM_UP {
            measured.add(began, &steps, ended);
        }
    }
    say(&serde_json::to_string(&measured).expect("JSON"));
}

/// Sixteen senders with five messages each, all at once; every run is checked as the tests do.
fn crowds(name: &str, start: fn() -> Stage) {
    let (mut stage, mut times) = (start(), Vec::new());
    let root = Root::new(stage.display(), &stage.config());
    let (places, mut before) = (stage.places(), Arrived::default());
    for seed in 0..CROWDS {
        let plan = plan(seed as u64, stage.len());
        let senders = Deliverers::start(&root, &["--sender"], &places, &plan);
        let began = Instant::now();
        let sent = senders.send(&plan);
        times.push(began.elapsed());
        before = crowd::check(&mut stage, &before, sent);
    }
    let baseline = seed::in_line(MESSAGES);
    compare_seconds(&format!("16 processes x 5, {name}"), median(times), baseline);
    let (mut stage, mut times) = (start(), Vec::new());
    let (root, mut before) = (Root::new(stage.display(), &stage.config()), Arrived::default());
    for seed in 0..CROWDS {
        let plan = plan(seed as u64, stage.len());
        let began = Instant::now();
        let sent = send_by_program(&root, &plan);
        times.push(began.elapsed());
        before = crowd::check(&mut stage, &before, sent);
    }
    compare_seconds(&format!("80 x talkstick send, 16 at a time, {name}"), median(times), baseline);
}

fn compare_seconds(what: &str, ours: Duration, baseline: Duration) {
    let (ours, baseline) = (ours.as_secs_f64(), baseline.as_secs_f64());
    say(&format!(
        "{what:<44} {ours:>8.2} s    the seed's pauses alone {baseline:>8.2} s    ratio {:>6.2}",
        ours / baseline
    ));
}
