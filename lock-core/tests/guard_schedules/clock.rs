//! The twin of lock-core's `clock`: time that stands still until the schedule moves it.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use shuttle::rand::{Rng, thread_rng};

use crate::{
    Moment,
    sync::{LazyLock, Step},
};

/// How often others may go on, at most, before time does.
const PATIENCE_MAX: u32 = 12;

static TIME: LazyLock<Time> = LazyLock::new(Time::default);

/// Where time begins: far from zero, so that an hour before it is no mistake.
const BEGIN_NS: u64 = 1_000_000_000_000;

/// Who sleeps for longer than this from the beginning on sleeps for ever.
const HORIZON_NS: u64 = 24 * 3600 * 1_000_000_000;

#[derive(Debug, Default)]
struct Time {
    step: Step,
    state: Arc<Mutex<State>>,
    sleeper_came: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct State {
    passed_ns: u64,
    last_sleeper: u64,
    /// By the moment they sleep until, and their number.
    sleepers: BTreeMap<(u64, u64), Waker>,
}

pub(crate) fn since_boot_ns() -> u64 {
    TIME.step.take();
    BEGIN_NS + TIME.state.lock().unwrap().passed_ns
}

pub(crate) fn wall_clock_us() -> u64 {
    since_boot_ns() / 1000
}

/// Whether nobody waits for time to pass.
pub(crate) fn nobody_sleeps() -> bool {
    TIME.step.take();
    TIME.state.lock().unwrap().sleepers.is_empty()
}

/// Has time pass for as long as somebody waits for it: always to the next moment that somebody waits for.
pub(crate) async fn pass() {
    let patience = thread_rng().gen_range(0..=PATIENCE_MAX);
    loop {
        for _ in 0..thread_rng().gen_range(0..=patience) {
            shuttle::future::yield_now().await;
        }
        let came = TIME.sleeper_came.notified();
        let woken = {
            let mut state = TIME.state.lock().unwrap();
            state.sleepers.pop_first().map(|((until_ns, _), waker)| {
                state.passed_ns = state.passed_ns.max(until_ns - BEGIN_NS);
                waker
            })
        };
        match woken {
            Some(waker) => waker.wake(),
            None => came.await,
        }
        shuttle::future::yield_now().await;
    }
}

/// Sleeps until the moment has come.
pub(crate) fn sleep_until(moment: Moment) -> impl Future<Output = ()> + Send {
    TIME.step.take();
    let state = Arc::clone(&TIME.state);
    let number = {
        let mut state = state.lock().unwrap();
        state.last_sleeper += 1;
        state.last_sleeper
    };
    Sleep { state, at: (moment.since_boot_ns(), number) }
}

struct Sleep {
    state: Arc<Mutex<State>>,
    at: (u64, u64),
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.state.lock().unwrap();
            if BEGIN_NS + state.passed_ns >= self.at.0 {
                return Poll::Ready(());
            }
            if self.at.0 > BEGIN_NS + HORIZON_NS {
                return Poll::Pending;
            }
            state.sleepers.insert(self.at, context.waker().clone());
        }
        TIME.sleeper_came.notify_one();
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.state.lock().unwrap().sleepers.remove(&self.at);
    }
}
