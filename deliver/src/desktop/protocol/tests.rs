//! The table of the protocol, against a desktop that follows a script. Real behaviour is tested on real desktops.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey, ThreadLock};

use super::*;
use crate::{
    Agent, Journal, Message, MessageId, Profile, SurfaceKind,
    desktop::{Chord, Place, Selection, Unsent},
};
use crate::{State, desktop::FetchRule};

/// Does everything, except that it refuses the call of one name.
struct Script {
    refuse: Option<(&'static str, Refusal)>,
    fetches: u32,
    calls: Vec<&'static str>,
    /// Raised before the call of that name.
    stop: Option<(&'static str, Stop)>,
    waits: u32,
    /// What is still in the way, last first.
    still: Vec<Refusal>,
    watching: bool,
    sight: Sight,
    /// The note on the target.
    unsent: Option<Unsent>,
    profile: Profile,
    finished: bool,
    /// The text lies where it was put.
    untaken: bool,
}

impl Script {
    fn call(&mut self, name: &'static str) -> Result<(), Refusal> {
        self.calls.push(name);
        if let Some((at, stop)) = &self.stop
            && *at == name
        {
            stop.request("SIGTERM");
        }
        match &self.refuse {
            Some((at, refusal)) if *at == name => Err(refusal.clone()),
            _ => Ok(()),
        }
    }
}

impl Desktop for Script {
    fn sight(&self) -> Sight {
        self.sight
    }
    fn watch(&mut self, _: Option<&Permit<'_>>, _: Duration) -> Result<Vec<String>, Refusal> {
        self.call("watch").map(|()| Vec::new())
    }
    fn unwatch(&mut self) {
        self.watching = false;
    }
    fn still_hindered(
        &mut self,
        _: Option<&Refusal>,
        _: Option<&Bound>,
        _: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        self.call("still")?;
        Ok(self.still.pop())
    }
    fn await_change(&mut self, _: Moment) -> Result<(), Refusal> {
        self.call("change")
    }
    fn bind(&mut self, _: &Place) -> Result<Bound, Refusal> {
        self.call("bind")?;
        Ok(Bound { window: 1, client: 1, point: (-5, 5), description: "the target".into() })
    }
    fn sweep(&mut self, _: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        self.call("sweep").map(|()| Vec::new())
    }
    fn click(&mut self, _: &Permit<'_>, _: &Bound) -> Result<(), Refusal> {
        self.call("click")
    }
    fn await_focus(&mut self, _: &Bound, _: Moment) -> Result<InputBox, Refusal> {
        self.call("focus")?;
        Ok(InputBox::NotTold)
    }
    fn offer(&mut self, _: &Permit<'_>, _: &str, _: Selection) -> Result<(), Refusal> {
        self.call("offer")
    }
    fn paste(&mut self, _: &Permit<'_>, _: &Bound, _: &Chord, id: &MessageId) -> Result<Option<Unsent>, Refusal> {
        self.call("paste")?;
        let unsent = self.unsent.clone();
        self.unsent.get_or_insert_with(|| id.clone().into());
        Ok(unsent)
    }
    fn submit(&mut self, _: &Permit<'_>, _: &Bound, _: &Chord, seen: bool) -> Result<(), Refusal> {
        self.call("enter")?;
        self.unsent.take_if(|_| seen);
        Ok(())
    }
    fn await_fetched(&mut self, _: &Bound, rule: FetchRule, _: Moment) -> Result<Fetched, Refusal> {
        self.waits += 1;
        self.call(if self.waits == 1 { "fetch" } else { "quiet" })?;
        let (by_target, by_others) = (self.fetches, 0);
        match by_target >= rule.fetches || self.waits == 1 {
            true => Ok(Fetched {
                by_target,
                by_others,
                finished: self.finished,
                untaken: self.untaken,
                ..Fetched::default()
            }),
            false => Err(Refusal::NotFetched { by_target, expected: rule.fetches, by_others }),
        }
    }
    fn restore(&mut self, _: &Permit<'_>) -> Result<(), Refusal> {
        self.call("restore")
    }
}

const ALL: [&str; 11] =
    ["watch", "bind", "sweep", "click", "focus", "offer", "paste", "fetch", "enter", "quiet", "restore"];

/// One delivery by the script, and what a crash right before its end would have left in the journal.
async fn run(script: &mut Script, stop: &Stop) -> (Outcome, State) {
    run_within(script, stop, Duration::from_secs(10)).await
}

async fn run_within(script: &mut Script, stop: &Stop, time: Duration) -> (Outcome, State) {
    let (outcome, state, _) = run_after(script, stop, time, None).await;
    (outcome, state)
}

/// As [`run`], after an attempt that met `before`; and what this one met.
async fn run_after(
    script: &mut Script,
    stop: &Stop,
    time: Duration,
    before: Option<&Hindered>,
) -> (Outcome, State, Option<Hindered>) {
    let root = tempfile::tempdir().unwrap();
    let key = LockKey::new("desktop").unwrap();
    let lock: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
    let guard = lock.acquire(&key, &AcquireOptions::default()).await.unwrap();
    let journal = Journal::open(root.path(), &key).unwrap();
    let place = Place { point: Some((-5, 5)), window: None };
    let agent = Agent { name: "A".into(), surface: SurfaceKind::Desktop, place, profile: script.profile.clone() };
    let (message, _) = Message::new("text").unwrap();
    let until = Moment::now() + time;
    let delivery = Delivery { message, agent, until, idle: Duration::ZERO };
    let mut entry = journal.begin(&delivery.message, "A", &guard.permit()).unwrap();
    let (outcome, hindered) = deliver(script, &delivery, &guard.permit(), &mut entry, stop, before);
    assert!(!script.watching, "the watch ends with the delivery");
    drop(entry);
    let recorded = journal.recorded(delivery.message.id(), "A").unwrap().unwrap();
    (outcome, recorded.state, hindered)
}

fn script(refuse: Option<(&'static str, Refusal)>) -> Script {
    Script {
        refuse,
        fetches: 1,
        calls: Vec::new(),
        stop: None,
        waits: 0,
        still: Vec::new(),
        watching: true,
        sight: Sight::FULL,
        unsent: None,
        profile: Profile::default(),
        finished: false,
        untaken: false,
    }
}

#[tokio::test]
async fn without_a_refusal_each_step_is_done_once_and_in_order() {
    let mut script = script(None);
    let (outcome, _) = run(&mut script, &Stop::new()).await;
    assert_eq!(script.calls, ALL);
    assert_eq!((outcome.state, outcome.typed, outcome.submitted), (State::Submitted, true, true));
    assert_eq!(outcome.reason, None);
}

#[tokio::test]
async fn each_refusal_ends_the_delivery_with_the_state_of_the_table() {
    let gone = || Refusal::TargetGone("closed".into());
    let broken = || Refusal::Disconnected { during: "x", why: "eof".into() };
    let unseen = || Refusal::PressNotSeen { why: "the focus moved".into() };
    let (rejected, uncertain) = (State::Rejected, State::Uncertain);
    // Refused call, refusal, claim, what a crash right then leaves in the journal, whether clipboard and pointer go back.
    let table = [
        (
            "watch",
            Refusal::Person { device: "a mouse".into(), ago: Duration::ZERO, may_type: false },
            rejected,
            rejected,
            false,
        ),
        ("bind", gone(), rejected, rejected, false),
        ("sweep", gone(), rejected, rejected, true),
        ("click", gone(), rejected, rejected, true),
        ("focus", Refusal::FocusElsewhere { on: "other".into() }, rejected, rejected, true),
        ("offer", Refusal::ClipboardTaken { by: "other".into() }, rejected, rejected, true),
        ("offer", broken(), rejected, rejected, true),
        ("paste", gone(), rejected, uncertain, true),
        ("paste", Refusal::LeaseLost("lost".into()), rejected, uncertain, true),
        ("paste", broken(), uncertain, uncertain, false),
        ("paste", unseen(), uncertain, uncertain, false),
        ("fetch", gone(), uncertain, uncertain, false),
        ("fetch", Refusal::ClipboardTaken { by: "other".into() }, uncertain, uncertain, false),
        ("enter", Refusal::FocusElsewhere { on: "other".into() }, uncertain, uncertain, true),
        ("enter", broken(), uncertain, uncertain, true),
        ("enter", unseen(), uncertain, uncertain, true),
    ];
    for (at, refusal, claim, after_crash, restored) in table {
        let mut script = script(Some((at, refusal.clone())));
        let (outcome, recorded) = run(&mut script, &Stop::new()).await;
        let mut expected = ALL[..=ALL.iter().position(|call| *call == at).unwrap()].to_vec();
        expected.extend(restored.then_some("restore"));
        assert_eq!(script.calls, expected, "{at}: {refusal}");
        assert_eq!(outcome.state, claim, "{at}: {refusal}");
        assert_eq!((outcome.typed, outcome.submitted), (claim == uncertain, false), "{at}: {refusal}");
        assert_eq!(outcome.reason.unwrap().code, refusal.code(), "{at}");
        assert_eq!(recorded, after_crash, "{at}: {refusal}");
    }
}

#[tokio::test]
async fn a_refusal_after_enter_changes_no_claim() {
    for at in ["quiet", "restore"] {
        let mut script = script(Some((at, Refusal::ClipboardTaken { by: "other".into() })));
        let (outcome, _) = run(&mut script, &Stop::new()).await;
        assert_eq!((outcome.state, outcome.submitted, outcome.reason), (State::Submitted, true, None), "{at}");
        assert_eq!(script.calls, ALL);
    }
}

#[tokio::test]
async fn too_few_fetches_mean_no_enter_also_if_the_driver_does_not_say_so() {
    let mut script = Script { fetches: 0, ..script(None) };
    let (outcome, _) = run(&mut script, &Stop::new()).await;
    assert!(!script.calls.contains(&"enter"));
    assert_eq!((outcome.state, outcome.typed), (State::Uncertain, true));
    assert_eq!(outcome.reason.unwrap().code, "not_fetched");
}

#[tokio::test]
async fn a_stop_before_the_paste_ends_it_and_after_the_paste_does_not() {
    for (at, state) in [
        ("bind", State::Rejected),
        ("focus", State::Rejected),
        ("offer", State::Rejected),
        ("paste", State::Submitted),
        ("fetch", State::Submitted),
        ("enter", State::Submitted),
    ] {
        let stop = Stop::new();
        let mut script = Script { stop: Some((at, stop.clone())), ..script(None) };
        let (outcome, _) = run(&mut script, &stop).await;
        assert_eq!(outcome.state, state, "{at}");
        assert_eq!(script.calls.contains(&"paste"), state == State::Submitted, "{at}");
        assert_eq!(outcome.reason.is_some_and(|reason| reason.code == "stopped"), state == State::Rejected, "{at}");
    }
}

#[tokio::test]
async fn without_time_nothing_is_touched() {
    let mut script = script(None);
    let (outcome, _) = run_within(&mut script, &Stop::new(), Duration::ZERO).await;
    assert_eq!(script.calls, [""; 0]);
    assert_eq!((outcome.state, outcome.reason.unwrap().code.as_ref()), (State::Rejected, "out_of_time"));
}

#[tokio::test]
async fn what_somebody_may_have_typed_after_the_click_is_told_in_the_end() {
    const TIME: Duration = Duration::from_secs(10);
    let person = |may_type| Refusal::Person { device: "a keyboard".into(), ago: Duration::ZERO, may_type };
    for (at, may_type, code) in [
        ("paste", true, Some("typed_before")),
        ("focus", true, Some("typed_before")),
        ("paste", false, None),
        ("click", true, None),
        ("watch", true, None),
    ] {
        let mut first = script(Some((at, person(may_type))));
        let (outcome, _, met) = run_after(&mut first, &Stop::new(), TIME, None).await;
        assert_eq!(outcome.state, State::Rejected, "{at}");
        // A menu in between makes nothing forgotten.
        let mut second = script(Some(("click", Refusal::Grabbed { device: "pointer" })));
        let (_, _, met) = run_after(&mut second, &Stop::new(), TIME, met.as_ref()).await;
        let (outcome, ..) = run_after(&mut script(None), &Stop::new(), TIME, Some(&met.unwrap())).await;
        let state = if code.is_some() { State::Uncertain } else { State::Submitted };
        assert_eq!((outcome.state, outcome.typed), (state, true), "{at}");
        assert_eq!(outcome.reason.map(|reason| reason.code), code.map(Into::into), "{at}");
    }
}

#[tokio::test]
async fn a_paste_whose_end_is_known_and_was_not_seen_is_not_claimed() {
    let broken = Refusal::ClipboardTaken { by: "other".into() };
    for (requests, finished, refused, code) in [
        (0, false, None, None),
        (17, true, None, None),
        (17, false, None, Some("paste_unfinished")),
        (17, true, Some(("quiet", broken)), Some("clipboard_taken")),
    ] {
        let profile = Profile { requests, ..Profile::default() };
        let mut script = Script { profile, finished, ..script(refused) };
        let (outcome, _) = run(&mut script, &Stop::new()).await;
        let state = if code.is_some() { State::Uncertain } else { State::Submitted };
        assert_eq!((outcome.state, outcome.typed), (state, true), "{requests} {finished}");
        assert_eq!(outcome.reason.map(|reason| reason.code), code.map(Into::into), "{requests} {finished}");
        let restored = script.calls.last() == Some(&"restore");
        assert_eq!(restored, code.is_none(), "the clipboard stays where the target may still fetch it");
    }
}

#[tokio::test]
async fn what_a_driver_does_not_see_is_not_claimed() {
    let blind = Sight { every_fetch: false, doubt: None };
    let doubtful = Sight { every_fetch: true, doubt: Some("the compositor leads the keys") };
    for (sight, fetches, state, code) in [
        (blind, 0, State::Uncertain, Some("fetch_not_observed")),
        (blind, 1, State::Submitted, None),
        (doubtful, 1, State::Uncertain, Some("unobservable")),
    ] {
        let mut script = Script { sight, fetches, ..script(None) };
        let (outcome, _) = run(&mut script, &Stop::new()).await;
        assert_eq!(script.calls, ALL, "{sight:?}");
        assert_eq!((outcome.state, outcome.typed), (state, true), "{sight:?}");
        assert_eq!(outcome.submitted, state == State::Submitted, "{sight:?}");
        assert_eq!(outcome.reason.map(|reason| reason.code), code.map(Into::into), "{sight:?}");
    }
    let mut refused = Script { fetches: 0, sight: doubtful, ..script(None) };
    let (outcome, _) = run(&mut refused, &Stop::new()).await;
    assert_eq!((outcome.state, outcome.reason.unwrap().code.as_ref()), (State::Uncertain, "not_fetched"));
    assert!(!refused.calls.contains(&"enter"));
}

/// Enter that was pressed for a target that had read the text leaves nothing in its box, whatever else is doubted.
#[tokio::test]
async fn the_note_goes_with_the_enter_that_empties_the_box_and_no_other() {
    let earlier = || Some(Unsent::from("earlier".parse::<MessageId>().unwrap()));
    let typed = Refusal::TypedBefore { device: "a keyboard".into() };
    let met = Hindered {
        hindrance: crate::desktop::Hindrance::Desktop,
        step: Step::Paste,
        refusal: typed.clone(),
        target: None,
        typed: Some(typed),
    };
    let blind = Sight { every_fetch: false, doubt: None };
    let doubtful = Sight { every_fetch: true, doubt: Some("the compositor leads the keys") };
    let lost = Some(("enter", Refusal::PressNotSeen { why: "a hotkey took it".into() }));
    let stop = Stop::new();
    // What stands in the box, what this attempt comes after, sight, fetches, refusal; claim, `submitted`, code, note.
    let table = [
        (None, None, Sight::FULL, 1, None, State::Submitted, true, None, false),
        (earlier(), None, Sight::FULL, 1, None, State::Uncertain, true, Some("unsent_text"), false),
        (None, Some(&met), Sight::FULL, 1, None, State::Uncertain, true, Some("typed_before"), false),
        (earlier(), Some(&met), Sight::FULL, 1, None, State::Uncertain, true, Some("typed_before"), false),
        (None, None, blind, 0, None, State::Uncertain, false, Some("fetch_not_observed"), true),
        (None, None, doubtful, 1, None, State::Uncertain, false, Some("unobservable"), true),
        (None, None, Sight::FULL, 0, None, State::Uncertain, false, Some("not_fetched"), true),
        (None, None, Sight::FULL, 1, lost, State::Uncertain, false, Some("press_not_seen"), true),
    ];
    for (unsent, before, sight, fetches, refuse, state, submitted, code, noted) in table {
        let mut script = Script { unsent, sight, fetches, ..script(refuse) };
        let (outcome, ..) = run_after(&mut script, &stop, Duration::from_secs(10), before).await;
        let reason = outcome.reason.map(|reason| reason.code);
        assert_eq!((outcome.state, outcome.submitted, reason), (state, submitted, code.map(Into::into)));
        assert_eq!(script.unsent.is_some(), noted, "{code:?}");
    }
}

/// What lies on a window goes with it, and Enter may have submitted nothing.
#[tokio::test]
async fn a_target_that_went_with_the_text_on_it_is_not_claimed() {
    let gone = || Some(("still", Refusal::TargetGone("its window was closed".into())));
    for (untaken, refuse, state, code) in [
        (true, gone(), State::Uncertain, Some("target_gone")),
        (true, None, State::Submitted, None),
        (false, gone(), State::Submitted, None),
    ] {
        let mut script = Script { untaken, ..script(refuse) };
        let (outcome, ..) = run_after(&mut script, &Stop::new(), Duration::from_secs(10), None).await;
        assert_eq!((outcome.state, outcome.reason.map(|reason| reason.code)), (state, code.map(Into::into)));
    }
}
