//! The lock against its baselines, in one run: `cargo bench -p tests --bench lock`; a part of it: `-- handover`.
//!
//! Handovers are measured between real processes, each on the host's one clock, and only from one process to another: a
//! plain flock user that takes the lock again at once is fast and unfair, and would flatter the baseline.

#[path = "../measure/mod.rs"]
mod measure;
mod redis;
mod store;
mod turns;
mod uncontended;
mod waiters;

fn main() {
    // The benchmark starts itself again as the processes that lock.
    if let Some(role) = std::env::args().nth(1).filter(|role| role == "--turns") {
        assert_eq!(role, "--turns");
        return turns::take_turns(std::env::args().skip(2));
    }
    let parts: [(&str, fn()); 10] = [
        ("file, uncontended, one process:", || uncontended::measure(store::FILE)),
        ("file, handover from one process to another, 8 processes:", || turns::measure(store::FILE)),
        ("file, waiters:", || waiters::measure(store::FILE)),
        ("sqlite, uncontended, one process:", || uncontended::measure(store::SQLITE)),
        ("sqlite, handover from one process to another, 8 processes:", || turns::measure(store::SQLITE)),
        ("sqlite, waiters:", || waiters::measure(store::SQLITE)),
        ("redis, uncontended, one process:", redis::uncontended),
        ("redis, handover from one process to another, 8 processes:", redis::handover),
        ("redis, waiters:", redis::waiters),
        ("quorum of three, uncontended, one process:", redis::quorum_uncontended),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            measure::say(name);
            measure();
        }
    }
}
