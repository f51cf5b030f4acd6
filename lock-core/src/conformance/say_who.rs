//! MUST 12, say who: errors and `inspect` name the holder and the line.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Fixture, Harness, fixture::options};
use crate::{DistributedLockExt, Error, Holder, Priority};

pub async fn a_timeout_names_holder_queue_and_setting<H: Harness>(f: &Fixture<H>) {
    let _guard = f.acquire_as("Agent-7").await;
    let brief = options().timeout(Duration::from_millis(50)).timeout_setting("--timeout");
    let error = f.lock.acquire(&f.key, &brief).await.expect_err("held by another");
    let text = error.to_string();
    let Error::TimedOut { state, place, .. } = error else { panic!("{text}") };
    let Holder::Lease { owner, .. } = &state.holder else { panic!("{state}") };
    assert_eq!(owner.label, "Agent-7");
    assert!(place.is_some());
    for part in ["Agent-7", f.key.as_str(), "--timeout", &std::process::id().to_string()] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

pub async fn inspect_shows_the_queue_in_order<H: Harness>(f: &Fixture<H>) {
    let guard = f.acquire_as("holder").await;
    let (held, _order) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for (label, priority) in [("n", Priority::Normal), ("l", Priority::Low), ("u", Priority::Urgent)] {
        tasks.push(f.wait_in_line(label, priority, &held).await);
    }
    let state = f.lock.inspect(&f.key).await.expect("inspected");
    let labels: Vec<_> = state.queue.iter().map(|waiter| waiter.owner.label.as_str()).collect();
    assert_eq!(labels, ["u", "n", "l"]);
    assert!(matches!(&state.holder, Holder::Lease { owner, .. } if owner.label == "holder"));
    guard.release().await.expect("released");
    for task in tasks {
        task.await.expect("held in its turn");
    }
}
