//! Which schedules are tried, and how a mistake must show.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicUsize},
};

use shuttle::{
    Config, FailurePersistence, MaxSteps, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler, UncontrolledNondeterminismCheckScheduler},
};

use crate::{clock, mistake::Mistake};

/// Schedules of each kind in an ordinary run.
const RUNS: u64 = 150;

/// In how many places a schedule of PCT forces another task to go on: the depth of the bugs that it surely finds.
const DEPTH: usize = 3;

/// No schedule takes so many steps unless somebody waits in vain while time goes on.
const STEPS_MAX: usize = 20_000;

/// Of each task: unoptimised hashing of secrets, below everything else.
const STACK_BYTES: usize = 512 * 1024;

/// How often something has happened over all schedules: a case that never came up has shown nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text} is no number: {error}")))
}

fn config() -> Config {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config.stack_size = STACK_BYTES;
    config
}

fn run<F: Future<Output = ()>>(scheduler: impl Scheduler + 'static, story: impl Fn() -> F + Send + Sync + 'static) {
    Runner::new(scheduler, config()).run(move || {
        drop(shuttle::future::spawn(clock::pass()));
        shuttle::future::block_on(story());
    });
}

/// Tells the story in many orders: random ones, and those of PCT (Burckhardt et al., ASPLOS 2010), where one task goes on for
/// as long as it can but for a few forced changes.
pub(crate) fn explore<F: Future<Output = ()>>(story: impl Fn() -> F + Clone + Send + Sync + 'static) {
    let runs = usize::try_from(number("TALKSTICK_TEST_RUNS", RUNS)).unwrap();
    let seed = number("TALKSTICK_TEST_SEED", 1);
    run(RandomScheduler::new_from_seed(seed, runs), story.clone());
    run(PctScheduler::new_from_seed(seed, DEPTH, runs), story);
}

/// Tells the story in all orders. It must end by itself, and throw no dice.
pub(crate) fn exhaust(story: impl Fn() + Send + Sync + 'static) -> usize {
    Runner::new(DfsScheduler::new(None, false), config()).run(story)
}

/// Whether the same seed gives the same steps.
pub(crate) fn repeats<F: Future<Output = ()>>(story: impl Fn() -> F + Send + Sync + 'static) {
    run(UncontrolledNondeterminismCheckScheduler::new(RandomScheduler::new_from_seed(1, 50)), story);
}

/// What a search finds when the mistake is made.
pub(crate) fn found(mistake: Mistake, search: impl FnOnce()) -> String {
    mistake.make();
    let violation = std::panic::catch_unwind(AssertUnwindSafe(search)).expect_err("the mistake is found");
    let text = violation.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| violation.downcast_ref::<&str>().copied()).unwrap_or("?").to_owned()
}
