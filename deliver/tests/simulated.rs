//! Deliveries to a simulated desktop in a process of its own, with every fault it can have.

#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

use std::{sync::Arc, time::Duration};

use deliver::{
    Profile, Receipt, SendError, SendOptions, State, Stop,
    desktop::{Chord, Step},
    simulated::{Control, Fault, FaultKind, Log, Raw},
};
use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Holder, ThreadLock};

mod desk;
use desk::{
    DEADLINE, agent, await_journal, deliverer, desktop, key, loopback_desktop, message, message_with_id, submitted,
};

fn thread_lock() -> Arc<dyn DistributedLock> {
    Arc::new(ThreadLock::new())
}

/// A profile that waits for all that will come. Where nothing is waited for in line, its time for the focus is that for all up
/// to the paste.
fn patient() -> Profile {
    Profile { focus_timeout: DEADLINE, fetch_timeout: DEADLINE, ..Profile::default() }
}

/// A profile that does not wait long for a fetch that will not come.
fn impatient() -> Profile {
    Profile { fetch_timeout: Duration::from_millis(300), ..patient() }
}

/// Without a wait: what would be waited for is told at once.
fn at_once() -> SendOptions {
    SendOptions { timeout: Duration::ZERO, ..SendOptions::default() }
}

/// One delivery of "text" to `Agent-1` of two, with `faults`, which waits for nothing to pass; the receipt, and what arrived
/// unless the desktop died, with a fetch that was held until then.
async fn with_faults(faults: Vec<Fault>, fetches: u32, profile: Profile) -> (Receipt, Option<Log>) {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, fetches);
    let mut control = Control::connect(desktop.address()).unwrap();
    for fault in faults {
        control.fault(fault).unwrap();
    }
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let receipt = deliverer.send(&message("text"), &agent(1, profile), &at_once()).await.unwrap();
    let recorded = deliverer.journal().history().unwrap();
    assert_eq!(recorded.last().unwrap().state, receipt.state);
    // A desktop that a fault has killed takes no other one, and has no log.
    let log = control.fault(Fault::now(FaultKind::LetFetch).window("Agent-1")).and_then(|()| control.log());
    (receipt, log.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_submitted_once_in_its_window_and_leaves_no_trace() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let mut raw = Raw::connect(desktop.address()).unwrap();
    raw.copy("a person's clipboard").unwrap();
    raw.move_to(3, 4).unwrap();
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let text = "two\nlines\tand \u{1f600}";
    let receipt = deliverer.send(&message(text), &agent(2, Profile::default()), &SendOptions::default()).await.unwrap();
    assert_eq!((receipt.state, receipt.typed, receipt.submitted), (State::Submitted, true, true));
    assert_eq!((receipt.retry_safe, receipt.reason), (false, None));
    assert!(receipt.token.is_some() && receipt.ticket.is_some());
    let log = Control::connect(desktop.address()).unwrap().log().unwrap();
    assert_eq!(submitted(&log, 2), [text]);
    assert_eq!(submitted(&log, 1), [""; 0]);
    assert_eq!(log.clipboard, "a person's clipboard");
    assert_eq!(log.pointer, (3, 4));
}

/// Every fault before the paste: nothing typed, nothing submitted anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_before_the_paste_rejects_and_types_nothing() {
    use FaultKind as K;
    let steal = || K::StealFocus { to: Some("Agent-2".into()) };
    let table = [
        (Fault::now(K::CloseWindow).window("Agent-1"), "target_gone"),
        (Fault::now(K::CoverWindow).window("Agent-1"), "covered"),
        (Fault::before(Step::Click, K::CoverWindow), "covered"),
        (Fault::before(Step::Click, K::CloseWindow), "target_gone"),
        (Fault::before(Step::Click, K::Grab { held: true }), "grabbed"),
        (Fault::before(Step::Focus, K::CloseWindow), "target_gone"),
        (Fault::before(Step::Offer, steal()), "focus_elsewhere"),
        (Fault::before(Step::Paste, steal()), "focus_elsewhere"),
        (Fault::before(Step::Paste, K::StealFocus { to: None }), "focus_elsewhere"),
        (Fault::before(Step::Paste, K::TakeClipboard { text: "thief".into() }), "clipboard_taken"),
        (Fault::before(Step::Paste, K::Grab { held: true }), "grabbed"),
        (Fault::before(Step::Paste, K::CloseWindow), "target_gone"),
        (Fault::before(Step::Paste, K::Person { text: String::new() }), "interference"),
        (Fault::before(Step::Offer, K::Kill), "disconnected"),
    ];
    for (fault, code) in table {
        let (receipt, log) = with_faults(vec![fault.clone()], 1, patient()).await;
        assert_eq!(receipt.state, State::Rejected, "{fault:?}: {receipt:?}");
        assert_eq!((receipt.typed, receipt.submitted, receipt.retry_safe), (false, false, true), "{fault:?}");
        assert_eq!(receipt.reason.unwrap().code, code, "{fault:?}");
        assert_eq!(log.is_none(), fault.kind == K::Kill);
        for window in log.iter().flat_map(|log| &log.windows) {
            assert!(window.submitted.is_empty() && window.draft.is_empty(), "{fault:?}: {window:?}");
        }
    }
}

/// A message whose Enter was forbidden stands in its box. The next one to that agent is glued to it, and its sender is told;
/// the one after that, and those to other agents, find clean boxes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_glued_to_unsent_text_is_not_called_submitted() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(Fault::before(Step::Submit, FaultKind::StealFocus { to: None })).unwrap();
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let options = SendOptions::default();
    let send = async |text, number| deliverer.send(&message(text), &agent(number, patient()), &options).await.unwrap();
    let first = send("left", 1).await;
    assert_eq!((first.state, first.typed, first.submitted), (State::Uncertain, true, false), "{first:?}");
    assert_eq!(send("elsewhere", 2).await.state, State::Submitted);
    // Whoever calls the window otherwise, and has another root, finds the same text in it.
    let (elsewhere, another) = (tempfile::tempdir().unwrap(), agent(1, patient()));
    let another = deliver::Agent { name: "Another name".into(), ..another };
    let stranger = self::deliverer(desktop.address(), thread_lock(), elsewhere.path());
    let glued = stranger.send(&message("glued"), &another, &options).await.unwrap();
    assert_eq!((glued.state, glued.submitted, glued.retry_safe), (State::Uncertain, true, false), "{glued:?}");
    let reason = glued.reason.unwrap();
    assert_eq!(reason.code, "unsent_text");
    assert!(reason.message.contains(&first.id.to_string()), "{reason:?}");
    assert_eq!(send("clean", 1).await.state, State::Submitted);
    let log = control.log().unwrap();
    assert_eq!(submitted(&log, 1), ["leftglued", "clean"]);
    assert_eq!(submitted(&log, 2), ["elsewhere"]);
}

/// Every fault from the paste on: said to be uncertain, and no Enter anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_after_the_paste_is_uncertain_and_presses_no_enter() {
    use FaultKind as K;
    let held = || Fault::now(K::HoldFetches).window("Agent-1");
    let thief = || K::TakeClipboard { text: "thief".into() };
    let steal = || K::StealFocus { to: Some("Agent-2".into()) };
    let table = [
        (vec![Fault::now(K::NeverFetch).window("Agent-1")], "not_fetched", ""),
        // A clipboard manager's fetch is no delivery.
        (
            vec![Fault::now(K::NeverFetch).window("Agent-1"), Fault::before(Step::Fetch, K::ManagerFetch)],
            "not_fetched",
            "",
        ),
        (vec![held()], "not_fetched", "text"),
        (
            vec![held(), Fault::before(Step::Fetch, thief()), Fault::before(Step::Fetch, K::LetFetch)],
            "clipboard_taken",
            "thief",
        ),
        (vec![Fault::before(Step::Submit, steal())], "focus_elsewhere", "text"),
        (vec![Fault::before(Step::Submit, K::StealFocus { to: None })], "focus_elsewhere", "text"),
        (vec![Fault::before(Step::Submit, thief())], "clipboard_taken", "text"),
        (vec![Fault::before(Step::Submit, K::Grab { held: true })], "grabbed", "text"),
        (vec![Fault::before(Step::Submit, K::Person { text: "!".into() })], "interference", "text!"),
        (vec![Fault::before(Step::Submit, K::CloseWindow)], "target_gone", "text"),
        (vec![Fault::before(Step::Paste, K::Kill)], "disconnected", ""),
        (vec![Fault::before(Step::Submit, K::Kill)], "disconnected", ""),
    ];
    for (faults, code, draft) in table {
        let profile = if code == "not_fetched" { impatient() } else { patient() };
        let (receipt, log) = with_faults(faults.clone(), 1, profile).await;
        assert_eq!(receipt.state, State::Uncertain, "{faults:?}: {receipt:?}");
        assert_eq!((receipt.typed, receipt.submitted, receipt.retry_safe), (true, false, false), "{faults:?}");
        assert_eq!(receipt.reason.unwrap().code, code, "{faults:?}");
        let Some(log) = log else {
            assert_eq!(code, "disconnected", "{faults:?}");
            continue;
        };
        assert!(log.windows.iter().all(|window| window.submitted.is_empty()), "{faults:?}: {log:?}");
        assert_eq!(log.windows[0].draft, draft, "{faults:?}");
        assert_eq!(log.windows[1].draft, "", "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_slow_is_delivered() {
    use FaultKind as K;
    let table = [
        (Fault::now(K::SlowFetch { ms: 100 }).window("Agent-1"), 1, patient()),
        (Fault::before(Step::Focus, K::Delay { ms: 100 }), 1, patient()),
        (Fault::before(Step::Fetch, K::ManagerFetch), 1, patient()),
        (Fault::now(K::Fetches { count: 2 }).window("Agent-1"), 1, Profile::named("chromium").unwrap()),
        (Fault::before(Step::Restore, K::TakeClipboard { text: "new".into() }), 1, patient()),
    ];
    for (fault, fetches, profile) in table {
        let (receipt, log) = with_faults(vec![fault.clone()], fetches, profile).await;
        assert_eq!(receipt.state, State::Submitted, "{fault:?}: {receipt:?}");
        let log = log.unwrap();
        assert_eq!((submitted(&log, 1), submitted(&log, 2)), (vec!["text"], vec![]), "{fault:?}");
        if matches!(fault.kind, K::TakeClipboard { .. }) {
            assert_eq!(log.clipboard, "new", "what is no longer ours is not given back");
        }
    }
}

/// That is what the fetch rule is for: with a profile that expects one fetch of a target that reads twice, Enter comes
/// before the text, and the late fetch finds what is on the clipboard then.
#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_is_strict_about_fetches() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 2);
    let mut control = Control::connect(desktop.address()).unwrap();
    // The first fetch for the sender, the second when it has gone.
    control.fault(Fault::now(FaultKind::HoldFetches).window("Agent-1")).unwrap();
    control.fault(Fault::before(Step::Fetch, FaultKind::LetFetch)).unwrap();
    Raw::connect(desktop.address()).unwrap().copy("a person's clipboard").unwrap();
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let no_quiet = Profile { quiet: Duration::ZERO, ..Profile::default() };
    deliverer.send(&message("text"), &agent(1, no_quiet), &SendOptions::default()).await.unwrap();
    control.fault(Fault::now(FaultKind::LetFetch).window("Agent-1")).unwrap();
    let log = control.log().unwrap();
    assert_eq!((submitted(&log, 1), log.windows[0].draft.as_str()), (vec![""], "a person's clipboard"));
}

/// Without turns the same steps misroute and garble: the desktop is no mock that always obeys.
#[test]
fn senders_that_take_no_turns_garble() {
    let desktop = desktop(4, 1);
    let points = [(-480, 100), (-160, 100), (160, 100), (480, 100)];
    let (paste, enter): (Chord, Chord) = ("ctrl+v".parse().unwrap(), "return".parse().unwrap());
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let (paste, enter, address) = (&paste, &enter, desktop.address());
            scope.spawn(move || {
                let mut raw = Raw::connect(address).unwrap();
                for k in 0..5 {
                    let (x, y) = points[(sender + k + 1) % 4];
                    raw.move_to(x, y).unwrap();
                    raw.click().unwrap();
                    raw.copy(&format!("s{sender}k{k}")).unwrap();
                    raw.chord(paste).unwrap();
                    raw.chord(enter).unwrap();
                }
            });
        }
    });
    let log = Control::connect(desktop.address()).unwrap().log().unwrap();
    let right = (0..8usize).flat_map(|s| (0..5usize).map(move |k| (s, k)));
    let clean = right.filter(|(s, k)| submitted(&log, (s + k + 1) % 4 + 1).contains(&format!("s{s}k{k}").as_str()));
    assert!(clean.count() < 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lost_in_the_middle_stops_the_next_key_press() {
    // Which step stalls, what is claimed then, and what stands in the window: seen there before the lease is broken.
    for (stalled, state, draft) in [(Step::Offer, State::Rejected, ""), (Step::Fetch, State::Uncertain, "text")] {
        let root = tempfile::tempdir().unwrap();
        let desktop = desktop(2, 1);
        let mut control = Control::connect(desktop.address()).unwrap();
        control.fault(Fault::before(stalled, FaultKind::Delay { ms: 1500 })).unwrap();
        let lock = thread_lock();
        let deliverer = Arc::new(deliverer(desktop.address(), Arc::clone(&lock), root.path()));
        let sender = Arc::clone(&deliverer);
        let sending = tokio::spawn(async move {
            sender.send(&message("text"), &agent(1, Profile::default()), &SendOptions::default()).await
        });
        await_journal(deliverer.journal(), |recorded| recorded.state == state);
        // The intent to paste comes before the paste: only the text in the window shows that it was pressed.
        while control.log().unwrap().windows[0].draft != draft {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Holder::Lease { token, .. } = lock.inspect(&key()).await.unwrap().holder else { panic!("nobody holds it") };
        lock.break_lock(&key(), token, false).await.unwrap();
        let receipt = sending.await.unwrap().unwrap();
        assert_eq!(receipt.state, state, "{receipt:?}");
        assert_eq!(receipt.reason.unwrap().code, "lease_lost");
        let log = control.log().unwrap();
        assert!(log.windows.iter().all(|window| window.submitted.is_empty()));
        assert_eq!(log.windows[0].draft, draft);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_is_typed_once_and_other_text_under_it_is_a_conflict() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let (to, options) = (agent(1, Profile::default()), SendOptions::default());
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(Fault::before(Step::Click, FaultKind::Grab { held: true })).unwrap();
    let refused = deliverer.send(&message_with_id("text", "id-1"), &to, &at_once()).await.unwrap();
    assert_eq!(refused.state, State::Rejected);
    control.fault(Fault::now(FaultKind::Grab { held: false })).unwrap();
    // Nothing was typed, so the id may be tried again; from then on it may not.
    let first = deliverer.send(&message_with_id("text", "id-1"), &to, &options).await.unwrap();
    let again = deliverer.send(&message_with_id("text", "id-1"), &to, &options).await.unwrap();
    assert_eq!((first.state, &again), (State::Submitted, &first));
    let other = deliverer.send(&message_with_id("other", "id-1"), &to, &options).await;
    assert!(matches!(other, Err(SendError::Conflict { .. })), "{other:?}");
    let elsewhere = deliverer.send(&message_with_id("text", "id-1"), &agent(2, Profile::default()), &options).await;
    assert_eq!(elsewhere.unwrap().state, State::Submitted);
    let log = control.log().unwrap();
    assert_eq!((submitted(&log, 1), submitted(&log, 2)), (vec!["text"], vec!["text"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_caller_cuts_no_delivery_in_the_middle() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(Fault::now(FaultKind::HoldFetches).window("Agent-1")).unwrap();
    let lock = thread_lock();
    let deliverer = Arc::new(deliverer(desktop.address(), Arc::clone(&lock), root.path()));
    let sender = Arc::clone(&deliverer);
    let sending =
        tokio::spawn(async move { sender.send(&message("text"), &agent(1, patient()), &SendOptions::default()).await });
    await_journal(deliverer.journal(), |recorded| recorded.state == State::Uncertain);
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    control.fault(Fault::now(FaultKind::LetFetch).window("Agent-1")).unwrap();
    // The lock comes free only when the delivery is done.
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    assert_eq!(deliverer.journal().history().unwrap().last().unwrap().state, State::Submitted);
    assert_eq!(submitted(&control.log().unwrap(), 1), ["text"]);
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_lock_or_is_stopped_in_line_types_nothing() {
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(2, 1);
    let lock = thread_lock();
    let deliverer = deliverer(desktop.address(), Arc::clone(&lock), root.path());
    let held = lock.acquire(&key(), &AcquireOptions::default().label("somebody")).await.unwrap();
    let to = agent(1, Profile::default());
    let short = SendOptions { timeout: Duration::from_millis(50), ..SendOptions::default() };
    let error = deliverer.send(&message("text"), &to, &short).await.unwrap_err();
    assert!(matches!(error, SendError::Lock(lock_core::Error::TimedOut { .. })), "{error:?}");
    let receipt = error.receipt(&message("text"), &to);
    assert_eq!((receipt.state, receipt.retry_safe), (State::Rejected, true));
    assert!(receipt.reason.unwrap().message.contains("somebody"), "the holder is named");

    let stopped = SendOptions { stop: Stop::new(), ..SendOptions::default() };
    let text = message("text");
    let (sent, ()) = tokio::join!(deliverer.send(&text, &to, &stopped), async {
        while lock.inspect(&key()).await.unwrap().queue.is_empty() {
            tokio::task::yield_now().await;
        }
        stopped.stop.request("SIGINT");
    });
    assert!(matches!(sent, Err(SendError::Stopped("SIGINT"))), "{sent:?}");
    assert!(lock.inspect(&key()).await.unwrap().queue.is_empty());
    held.release().await.unwrap();

    let one_line = Profile { multiline: false, ..Profile::default() };
    let newlines = deliverer.send(&message("two\nlines"), &agent(1, one_line), &SendOptions::default()).await;
    assert!(matches!(newlines, Err(SendError::Newlines { .. })), "{newlines:?}");
    let tmux = deliver::Agent { surface: deliver::SurfaceKind::Tmux, ..to };
    let not_built = deliverer.send(&message("text"), &tmux, &SendOptions::default()).await;
    assert!(matches!(not_built, Err(SendError::NotBuilt(_))), "{not_built:?}");
    let log = Control::connect(desktop.address()).unwrap().log().unwrap();
    assert!(log.windows.iter().all(|window| window.submitted.is_empty() && window.draft.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_and_replaced_when_it_breaks() {
    let root = tempfile::tempdir().unwrap();
    let mut desktop = desktop(3, 1);
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let all: Vec<_> = (1..=3).map(|n| (message(&format!("to {n}")), agent(n, Profile::default()))).collect();
    let receipts = deliverer.send_many(&all, &SendOptions::default()).await;
    assert!(receipts.iter().all(|receipt| receipt.as_ref().unwrap().state == State::Submitted), "{receipts:?}");
    desktop.kill().unwrap();
    let dead = deliverer.send(&message("x"), &agent(1, Profile::default()), &SendOptions::default()).await.unwrap();
    assert_eq!((dead.state, dead.reason.unwrap().code.as_ref()), (State::Rejected, "disconnected"));
    let gone = deliverer.send(&message("x"), &agent(1, Profile::default()), &SendOptions::default()).await;
    assert!(matches!(gone, Err(SendError::Surface(_))), "{gone:?}");
}

#[cfg(unix)]
#[test]
fn hostile_input_ends_only_its_own_connection_and_the_desktop_ends_with_its_parent() {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        os::unix::net::UnixStream,
    };

    let desktop = desktop(2, 1);
    let path = desktop.address().to_string().strip_prefix("unix:").unwrap().to_owned();
    let long = vec![b'x'; 2 << 20];
    let deep = format!("{}\n", "[".repeat(100_000));
    let requests: [&[u8]; 5] = [b"garbage\n", b"{\"op\":\"submit\"}\n", b"\xff\xfe\n", &long, deep.as_bytes()];
    for bytes in requests {
        let mut stream = UnixStream::connect(&path).unwrap();
        // The desktop may close before it has read all; that is the point.
        let _cut_off = stream.write_all(bytes);
        let mut answer = String::new();
        let _cut_off = BufReader::new(&stream).take(4096).read_line(&mut answer);
        assert!(answer.is_empty() || answer.contains("not understood"), "{answer}");
    }
    let crowd: Vec<_> = (0..300).map(|_| UnixStream::connect(&path)).collect();
    drop(crowd);
    let mut control = Control::connect(desktop.address()).unwrap();
    let missing = control.fault(Fault::now(FaultKind::CloseWindow).window("Agent-99"));
    assert!(missing.is_err());
    assert_eq!(control.log().unwrap().windows.len(), 2);
    drop(desktop);
    assert!(!std::path::Path::new(&path).exists(), "the socket goes with the desktop");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_only_who_knows_the_key_gets_in() {
    let root = tempfile::tempdir().unwrap();
    let desktop = loopback_desktop();
    let address = desktop.address().to_string();
    let (place, _) = address.rsplit_once(':').unwrap();
    assert!(Control::connect(&format!("{place}:wrong").parse().unwrap()).is_err());
    let deliverer = deliverer(desktop.address(), thread_lock(), root.path());
    let receipt =
        deliverer.send(&message("text"), &agent(1, Profile::default()), &SendOptions::default()).await.unwrap();
    assert_eq!(receipt.state, State::Submitted);
}
