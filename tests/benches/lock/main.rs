//! The lock against its baselines, in one run: `cargo bench -p tests --bench lock`.
//!
//! Handovers are measured between real processes, each on the host's one clock, and only from one process to another: a
//! plain flock user that takes the lock again at once is fast and unfair, and would flatter the baseline.

#[path = "../measure/mod.rs"]
mod measure;
mod turns;
mod uncontended;
mod waiters;

fn main() {
    // The benchmark starts itself again as the processes that lock.
    if let Some(role) = std::env::args().nth(1).filter(|role| role == "--turns") {
        assert_eq!(role, "--turns");
        return turns::take_turns(std::env::args().skip(2));
    }
    measure::say("uncontended, one process:");
    uncontended::measure();
    measure::say("handover from one process to another, 8 processes:");
    turns::measure();
    measure::say("waiters:");
    waiters::measure();
}
