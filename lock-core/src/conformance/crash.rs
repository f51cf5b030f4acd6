//! MUST 5, dead waiter and dead holder: real processes, really killed.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::time::Duration;

use super::{Fixture, Harness, fixture::until, process::blocking};
use crate::{Holder, Moment, Priority};

/// What a killed process may cost the line.
const DEATH_MAX: Duration = Duration::from_millis(50);

/// The least of five kills: whatever else the machine does can only add to one.
pub async fn a_killed_holder_costs_at_most_50_ms<H: Harness>(f: &Fixture<H>) {
    let mut costs = Vec::new();
    for _ in 0..5 {
        let mut holder = f.process("holder", Priority::Normal, 1);
        let mut holder = blocking(move || {
            holder.until_held();
            holder
        })
        .await;
        let (lock, key) = (f.harness.client(), f.key.clone());
        let next = tokio::spawn(async move {
            let _guard =
                crate::DistributedLockExt::acquire(&lock, &key, &super::fixture::options()).await.expect("next");
            Moment::now()
        });
        f.until_waiting(1).await;
        let killed_at = Moment::now();
        holder.kill();
        costs.push(next.await.expect("held") - killed_at);
    }
    assert!(costs.iter().any(|cost| *cost <= DEATH_MAX), "{costs:?}");
}

pub async fn a_killed_head_of_the_line_is_skipped<H: Harness>(f: &Fixture<H>) {
    killed_waiter_is_skipped(f, 0).await;
}

pub async fn a_killed_waiter_in_the_middle_is_skipped<H: Harness>(f: &Fixture<H>) {
    killed_waiter_is_skipped(f, 1).await;
}

/// Without a pause for the dead one: two live waiters and one dead, well under the 2 s that only a stopped one may cost. The
/// least of three, as above.
async fn killed_waiter_is_skipped<H: Harness>(f: &Fixture<H>, victim: usize) {
    let mut costs = Vec::new();
    for _ in 0..3 {
        costs.push(skip_a_killed_waiter(f, victim).await);
    }
    assert!(costs.iter().any(|cost| *cost < Duration::from_secs(1)), "the dead waiter held the line up: {costs:?}");
}

/// Three processes wait, one is killed; the others hold in their order. Says how long they took.
async fn skip_a_killed_waiter<H: Harness>(f: &Fixture<H>, victim: usize) -> Duration {
    let guard = f.acquire().await;
    let mut processes = Vec::new();
    for i in 0..3 {
        processes.push(f.process(&format!("P{i}"), Priority::Normal, 1));
        f.until_waiting(i + 1).await;
    }
    processes[victim].kill();
    drop(processes.remove(victim));
    let released_at = Moment::now();
    guard.release().await.expect("released");
    let mut last = released_at.since_boot_ns();
    for mut process in processes {
        let (held, released) = blocking(move || (process.until_held(), process.release())).await;
        assert!(held.since_ns >= last, "out of order");
        last = released;
    }
    Moment::from_since_boot_ns(last) - released_at
}

/// A stopped waiter is alive, so its ticket stays; but a free lock does not wait for it for more than about 2 s.
#[cfg(unix)]
pub async fn a_stopped_head_is_passed_over_and_keeps_its_place<H: Harness>(f: &Fixture<H>) {
    use rustix::process::Signal;
    let guard = f.acquire().await;
    let mut stopped = f.process("stopped", Priority::Normal, 1);
    f.until_waiting(1).await;
    let mut second = f.process("second", Priority::Normal, 1);
    f.until_waiting(2).await;
    stopped.stop();
    let released_at = Moment::now();
    guard.release().await.expect("released");
    let (mut second, held) = blocking(move || {
        let held = second.until_held();
        (second, held)
    })
    .await;
    let passed_after = Moment::from_since_boot_ns(held.since_ns) - released_at;
    assert!(passed_after > Duration::from_millis(1900), "passed over after only {passed_after:?}");
    assert!(passed_after < Duration::from_secs(5), "passed over after {passed_after:?}");
    let third = f.process("third", Priority::Normal, 1);
    f.until_waiting(2).await;
    stopped.signal(Signal::CONT);
    blocking(move || second.release()).await;
    let ticket = blocking(move || {
        let held = stopped.until_held();
        stopped.release();
        held.ticket
    })
    .await;
    assert!(ticket < held.ticket, "the stopped one lost its number");
    drop(third);
}

/// Windows knows no SIGSTOP.
#[cfg(not(unix))]
pub async fn a_stopped_head_is_passed_over_and_keeps_its_place<H: Harness>(_: &Fixture<H>) {}

pub async fn a_dead_holder_is_never_shown<H: Harness>(f: &Fixture<H>) {
    let mut holder = f.process("dead", Priority::Normal, 1);
    let (mut holder, pid) = blocking(move || {
        holder.until_held();
        let pid = holder.pid();
        (holder, pid)
    })
    .await;
    let shown = |state: &crate::KeyState| matches!(&state.holder, Holder::Lease { owner, .. } if owner.pid == pid);
    assert!(shown(&f.lock.inspect(&f.key).await.expect("inspected")), "the live holder is shown");
    holder.kill();
    drop(holder);
    until("the dead holder to be gone", async || !shown(&f.lock.inspect(&f.key).await.expect("inspected"))).await;
    assert_eq!(f.lock.inspect(&f.key).await.expect("inspected").holder, Holder::Free);
}
