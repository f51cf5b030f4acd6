//! MUST 3 and 4, order and handover: the policy decides who is next, and an event wakes the next.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Fixture, Harness, fixture::options, process::blocking};
use crate::{DistributedLockExt, Lease, LockKey, Moment, Priority, queue::PASSED_MAX};

/// Lets go of a held lock after all are in line, and gives the order in which they held.
async fn order_of<H: Harness>(f: &Fixture<H>, line: &[(&str, Priority)]) -> Vec<String> {
    let guard = f.acquire().await;
    let (held, mut order) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for (label, priority) in line {
        tasks.push(f.wait_in_line(label, *priority, &held).await);
    }
    guard.release().await.expect("released");
    for task in tasks {
        task.await.expect("held in its turn");
    }
    drop(held);
    let mut labels = Vec::new();
    while let Some(label) = order.recv().await {
        labels.push(label);
    }
    labels
}

pub async fn first_come_first_served<H: Harness>(f: &Fixture<H>) {
    let names: Vec<String> = (0..12).map(|i| format!("W{i}")).collect();
    let line: Vec<_> = names.iter().map(|name| (name.as_str(), Priority::Normal)).collect();
    assert_eq!(order_of(f, &line).await, names);
}

pub async fn first_come_first_served_between_processes<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let mut processes = Vec::new();
    for i in 0..5 {
        processes.push(f.process(&format!("P{i}"), Priority::Normal, 1));
        f.until_waiting(i + 1).await;
    }
    guard.release().await.expect("released");
    let mut last = 0;
    for mut process in processes {
        let (held, _released) = blocking(move || (process.until_held(), process.release())).await;
        assert!(held.since_ns > last, "a later process held before an earlier one");
        last = held.since_ns;
    }
}

pub async fn higher_priority_first<H: Harness>(f: &Fixture<H>) {
    use Priority::{High, Low, Normal, Urgent};
    let line = [("l", Low), ("n1", Normal), ("u1", Urgent), ("h", High), ("n2", Normal), ("u2", Urgent)];
    assert_eq!(order_of(f, &line).await, ["u1", "u2", "h", "n1", "n2", "l"]);
}

pub async fn a_passed_ticket_ages<H: Harness>(f: &Fixture<H>) {
    let names: Vec<String> = (0..PASSED_MAX + 3).map(|i| format!("u{i}")).collect();
    let mut line = vec![("low", Priority::Low)];
    line.extend(names.iter().map(|name| (name.as_str(), Priority::Urgent)));
    let order = order_of(f, &line).await;
    let low = order.iter().position(|label| label == "low");
    assert_eq!(low, Some(PASSED_MAX as usize), "{order:?}");
}

pub async fn a_newcomer_does_not_barge<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire().await;
    let (held, mut order) = mpsc::unbounded_channel();
    let waiting = f.wait_in_line("waiting", Priority::Normal, &held).await;
    let newcomer = f.harness.client();
    let options = options();
    let (released, barged) = tokio::join!(guard.release(), newcomer.try_acquire(&f.key, &options));
    released.expect("released");
    if let Some(guard) = barged.expect("asked") {
        // Only allowed when the one in line had held and let go before.
        assert!(order.try_recv().is_ok(), "a newcomer went before the line");
        drop(guard);
    }
    waiting.await.expect("held in its turn");
}

/// Who gave its lease back goes before all that came later, but the others went on meanwhile.
pub async fn who_comes_back_stands_where_it_stood<H: Harness>(f: &Fixture<H>) {
    let first = f.acquire_as("first").await;
    let (other, key) = (f.harness.client(), f.key.clone());
    let other = tokio::spawn(async move { other.acquire(&key, &options()).await.expect("acquired") });
    f.until_waiting(1).await;
    let (held, mut order) = mpsc::unbounded_channel();
    let later = f.wait_in_line("later", Priority::Normal, &held).await;
    let (lease, back) = (first.lease().clone(), options().label("first").place_of(first.lease()));
    first.release().await.expect("released");
    let other = other.await.expect("held while the first one is away");
    let back = f.wait_in_line_with(back, &held).await;
    let urgent = f.wait_in_line("urgent", Priority::Urgent, &held).await;
    let state = f.lock.inspect(&f.key).await.expect("inspected");
    let queue: Vec<&str> = state.queue.iter().map(|waiter| waiter.owner.label.as_str()).collect();
    assert_eq!((queue, state.queue[1].ticket), (vec!["urgent", "first", "later"], lease.ticket));
    other.release().await.expect("released");
    for waiting in [urgent, back, later] {
        waiting.await.expect("held in its turn");
    }
    let labels = [order.recv().await, order.recv().await, order.recv().await].map(Option::unwrap_or_default);
    assert_eq!(labels, ["urgent", "first", "later"]);
}

pub async fn who_comes_back_to_a_free_lock_holds_at_once<H: Harness>(f: &Fixture<H>) {
    let first = f.acquire().await;
    let (lease, back) = (first.lease().clone(), options().place_of(first.lease()));
    first.release().await.expect("released");
    let second = f.harness.client().acquire(&f.key, &options()).await.expect("acquired");
    let (ticket, token) = (second.lease().ticket, second.token());
    second.release().await.expect("released");
    let guard = f.lock.acquire(&f.key, &back).await.expect("acquired");
    assert_eq!(guard.lease().ticket, lease.ticket);
    assert!(guard.token() > token, "tokens grow also for who comes back");
    guard.release().await.expect("released");
    let newcomer = f.acquire().await;
    assert!(newcomer.lease().ticket > ticket, "an old number that was had again makes no later one old");
}

pub async fn a_place_is_never_shared<H: Harness>(f: &Fixture<H>) {
    let away = f.acquire().await.lease().clone();
    let holder = f.acquire().await;
    let (held, mut order) = mpsc::unbounded_channel();
    let mut waiting = vec![f.wait_in_line("waiter", Priority::Normal, &held).await];
    let waiter = f.lock.inspect(&f.key).await.expect("inspected").queue[0].ticket;
    let numbered = |ticket| Lease { ticket, ..away.clone() };
    let elsewhere = Lease { key: LockKey::new("elsewhere").expect("a key"), ..away.clone() };
    let never = [numbered(0), numbered(u64::MAX), elsewhere];
    for lease in [holder.lease().clone(), numbered(waiter)].into_iter().chain(never) {
        waiting.push(f.wait_in_line_with(options().label("back").place_of(&lease), &held).await);
    }
    let queue = f.lock.inspect(&f.key).await.expect("inspected").queue;
    let tickets: Vec<u64> = queue.iter().map(|waiter| waiter.ticket).collect();
    assert_eq!((queue.len(), tickets[0], queue[0].owner.label.as_str()), (6, waiter, "waiter"));
    assert!(tickets.is_sorted_by(|a, b| a < b && *b < u64::MAX), "{tickets:?}");
    assert!(holder.lease().ticket < waiter);
    holder.release().await.expect("released");
    for task in waiting {
        task.await.expect("held in its turn");
    }
    assert_eq!(order.recv().await.as_deref(), Some("waiter"));
}

/// A poller needs at least the sweep's first pause, 100 ms. An event needs far less, to which a busy machine can only add: the
/// least of nine.
pub async fn handover_is_by_event<H: Harness>(f: &Fixture<H>) {
    let mut handovers = Vec::new();
    for _ in 0..9 {
        let guard = f.acquire().await;
        let (lock, key) = (f.harness.client(), f.key.clone());
        let next = tokio::spawn(async move {
            let _guard = lock.acquire(&key, &options()).await.expect("acquired");
            Moment::now()
        });
        f.until_waiting(1).await;
        let released_at = Moment::now();
        guard.release().await.expect("released");
        handovers.push(next.await.expect("held") - released_at);
    }
    assert!(handovers.iter().any(|took| *took < Duration::from_millis(50)), "{handovers:?}");
}
