//! What passes by itself on a simulated desktop is waited for, and what was typed is never typed again.

#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

use std::{sync::Arc, time::Duration};

use deliver::{
    PostponedObserver, Profile, Receipt, SendError, SendOptions, State, Stop,
    desktop::Step,
    simulated::{Control, Fault, FaultKind, Log},
};
use lock_core::ThreadLock;
use tokio::sync::mpsc;

mod desk;
use desk::{DEADLINE, agent, await_journal, deliverer, desktop, message, submitted};

const IDLE: Duration = Duration::from_millis(200);

fn options() -> SendOptions {
    SendOptions { timeout: DEADLINE, idle: IDLE, ..SendOptions::default() }
}

/// One delivery of "text" to the first of two agents, with a fault; the receipt, and what arrived.
async fn with_fault(fault: Fault) -> (Receipt, Log) {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(fault).unwrap();
    let deliverer = deliverer(desktop.address(), Arc::new(ThreadLock::new()), root.path());
    let receipt = deliverer.send(&message("text"), &agent(1, Profile::default()), &options()).await.unwrap();
    let recorded = deliverer.journal().history().unwrap();
    assert_eq!((recorded.len(), recorded[0].state), (1, receipt.state), "one delivery in the journal");
    let mut log = control.log().unwrap();
    // A person's own text, where there is one.
    log.windows.iter_mut().for_each(|window| window.draft.retain(|c| c != 'p'));
    (receipt, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_before_the_paste_is_waited_for() {
    use FaultKind as K;
    let person = || K::Person { text: String::new() };
    for fault in [
        Fault::before(Step::Watch, person()),
        Fault::before(Step::Click, person()),
        Fault::before(Step::Paste, K::StealFocus { to: Some("Agent-2".into()) }),
    ] {
        let (receipt, log) = with_fault(fault.clone()).await;
        assert_eq!((receipt.state, &receipt.reason), (State::Submitted, &None), "{fault:?}");
        assert!(receipt.evidence[0].seen.starts_with("postponed for "), "{:?}", receipt.evidence);
        assert_eq!(submitted(&log, 1), ["text"], "{fault:?}");
        assert!(log.windows.iter().all(|window| window.draft.is_empty()), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_typed_between_click_and_paste_is_told() {
    let (receipt, log) = with_fault(Fault::before(Step::Paste, FaultKind::Person { text: "q".into() })).await;
    assert!(receipt.evidence[0].seen.starts_with("postponed for "), "{:?}", receipt.evidence);
    assert_eq!((receipt.state, receipt.typed, receipt.submitted), (State::Uncertain, true, true));
    assert_eq!(receipt.reason.unwrap().code, "typed_before");
    assert_eq!(submitted(&log, 1), ["qtext"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_after_the_paste_forbids_enter_and_nothing_is_typed_again() {
    for step in [Step::Fetch, Step::Submit] {
        let (receipt, log) = with_fault(Fault::before(step, FaultKind::Person { text: "p".into() })).await;
        assert_eq!((receipt.state, receipt.submitted), (State::Uncertain, false), "{receipt:?}");
        assert_eq!(receipt.reason.unwrap().code, "interference");
        assert_eq!((submitted(&log, 1), log.windows[0].draft.as_str()), (vec![], "text"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_covered_agent_is_waited_for_and_a_stop_ends_the_wait() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let mut control = Control::connect(desktop.address()).unwrap();
    let deliverer = Arc::new(deliverer(desktop.address(), Arc::new(ThreadLock::new()), root.path()));
    let send = |text: &'static str, stop: &Stop| {
        let (tell, mut told) = mpsc::unbounded_channel();
        let postponed = Some(PostponedObserver::new(move |refusal| tell.send(refusal.code()).unwrap_or_default()));
        let options = SendOptions { stop: stop.clone(), postponed, ..options() };
        let deliverer = Arc::clone(&deliverer);
        let sending =
            tokio::spawn(async move { deliverer.send(&message(text), &agent(1, Profile::default()), &options).await });
        let told = async move { assert_eq!(told.recv().await, Some("covered")) };
        (sending, told)
    };
    control.fault(Fault::now(FaultKind::CoverWindow).window("Agent-1")).unwrap();
    let stop = Stop::new();
    let (stopped, told) = send("stopped", &stop);
    told.await;
    stop.request("SIGTERM");
    assert!(matches!(stopped.await.unwrap(), Err(SendError::Stopped("SIGTERM"))));
    let (waiting, told) = send("text", &Stop::new());
    told.await;
    // Somebody else's agent is not covered.
    let other = deliverer.send(&message("other"), &agent(2, Profile::default()), &options()).await.unwrap();
    assert_eq!(other.state, State::Submitted);
    control.fault(Fault::now(FaultKind::UncoverWindow).window("Agent-1")).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().state, State::Submitted);
    let log = control.log().unwrap();
    assert_eq!((submitted(&log, 1), submitted(&log, 2)), (vec!["text"], vec!["other"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hindrance_that_stays_is_told_at_the_timeout() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(1, 1);
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(Fault::now(FaultKind::Grab { held: true })).unwrap();
    let deliverer = deliverer(desktop.address(), Arc::new(ThreadLock::new()), root.path());
    // Connected beforehand, so that a slow start uses up none of the timeout.
    let at_once = SendOptions { timeout: Duration::ZERO, ..options() };
    let profile = Profile { focus_timeout: DEADLINE, ..Profile::default() };
    deliverer.send(&message("at once"), &agent(1, profile), &at_once).await.unwrap();
    let options = SendOptions { timeout: Duration::from_secs(1), ..options() };
    let receipt = deliverer.send(&message("text"), &agent(1, Profile::default()), &options).await.unwrap();
    assert_eq!((receipt.state, receipt.retry_safe), (State::Rejected, true));
    let reason = receipt.reason.unwrap();
    assert_eq!(reason.code, "grabbed");
    assert!(reason.message.ends_with("waited for it until the timeout, nothing was typed"), "{reason:?}");
    await_journal(deliverer.journal(), |recorded| recorded.state == State::Rejected);
    control.fault(Fault::now(FaultKind::Grab { held: false })).unwrap();
    assert_eq!(submitted(&control.log().unwrap(), 1), [""; 0]);
}
