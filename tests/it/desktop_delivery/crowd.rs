//! Sixteen senders that send five messages each, all at once, and what must come of it.

use std::time::{Duration, Instant};

use deliver::{Receipt, State};

use super::{
    program::Root,
    stage::{Arrived, Stage},
    texts::{Text, first_difference, texts},
};

const SENDERS: usize = 16;
const MESSAGES_EACH: usize = 5;
pub(crate) const MESSAGES: usize = SENDERS * MESSAGES_EACH;

/// A message on its way to an agent.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// The index of the agent, from 0.
    pub(crate) agent: usize,
    pub(crate) text: Text,
}

/// What came of one.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) task: Task,
    pub(crate) receipt: Receipt,
}

/// The tasks of each sender: every sender goes around the agents, and all of them are aimed at all the time.
pub(crate) fn plan(seed: u64, agents: usize) -> Vec<Vec<Task>> {
    let mut row = texts(seed);
    let mut task = |sender, nth| Task {
        agent: (sender + nth + 1) % agents,
        text: row.next().unwrap_or_else(|| unreachable!("the row is endless")),
    };
    (0..SENDERS).map(|sender| (0..MESSAGES_EACH).map(|nth| task(sender, nth)).collect()).collect()
}

/// Each message by a process of its own, `talkstick send`; sixteen at a time.
pub(crate) fn send_by_program(root: &Root, plan: &[Vec<Task>]) -> Vec<Sent> {
    std::thread::scope(|scope| {
        let senders: Vec<_> = plan
            .iter()
            .map(|tasks| scope.spawn(move || tasks.iter().map(|task| send_one(root, task)).collect::<Vec<_>>()))
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender does not panic")).collect()
    })
}

fn send_one(root: &Root, task: &Task) -> Sent {
    let agent = format!("Agent-{}", task.agent + 1);
    // The timeout is no part of what is shown, and other tests keep the machine busy.
    let arguments = ["-q", "--json", "send", "-a", &agent, "--message-file", "-", "--timeout", "120s"];
    let output = root.run(&arguments, &task.text.given);
    let (said, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "to {agent}, {}: {said}{talk}", output.status);
    let receipt = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    Sent { task: task.clone(), receipt }
}

/// Holds that every message arrived exactly, once, in its own box, in the order of its ticket, and nothing else did.
///
/// `before` is what the agents had before these were sent.
pub(crate) fn check(stage: &mut Stage, before: &Arrived, mut sent: Vec<Sent>) -> Arrived {
    assert_eq!(sent.len(), MESSAGES);
    sent.sort_by_key(|sent| sent.receipt.ticket);
    for sent in &sent {
        assert_eq!(sent.receipt.state, State::Submitted, "{:?}", sent.receipt);
    }
    let tokens: Vec<_> = sent.iter().map(|sent| sent.receipt.token).collect();
    assert!(tokens.is_sorted_by(|a, b| a < b), "leases were not granted in the order of the tickets: {tokens:?}");
    let count = |arrived: &Arrived| arrived.submitted.iter().map(Vec::len).sum::<usize>();
    let arrived = stage.arrived(count(before) + MESSAGES);
    for agent in 0..stage.len() {
        let new = arrived.submitted[agent].get(before.submitted.get(agent).map_or(0, Vec::len)..).unwrap_or_default();
        let expected: Vec<&Sent> = sent.iter().filter(|sent| sent.task.agent == agent).collect();
        for (nth, (sent, text)) in expected.iter().zip(new).enumerate() {
            let expected = &sent.task.text.expected;
            assert!(
                text == expected,
                "Agent-{}, message {nth}: {}\nthe text is {}\n{:?}",
                agent + 1,
                first_difference(expected, text),
                whereabouts(expected, &arrived),
                sent.receipt
            );
        }
        assert_eq!(new.len(), expected.len(), "messages that Agent-{} got", agent + 1);
    }
    assert_eq!(arrived.unsent, Vec::<String>::new());
    check_order_of_keys(stage, &sent);
    arrived
}

/// Where a text that is not in its place has come to.
fn whereabouts(text: &str, arrived: &Arrived) -> String {
    let mut places = Vec::new();
    for (agent, submitted) in arrived.submitted.iter().enumerate() {
        let holds = submitted.iter().enumerate().filter(|(_, other)| other.contains(text));
        places.extend(holds.map(|(nth, _)| format!("in what Agent-{} submitted as {nth}", agent + 1)));
    }
    let unsent = arrived.unsent.iter().filter(|draft| draft.contains(text));
    places.extend(unsent.map(|draft| format!("unsent in a draft of {} bytes", draft.len())));
    if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") }
}

/// Over all windows, where the agents tell when Return was pressed.
fn check_order_of_keys(stage: &mut Stage, in_order: &[Sent]) {
    let Some(pressed) = stage.pressed_ms() else { return };
    let times: Vec<u32> =
        in_order.iter().map(|sent| pressed[&(sent.task.agent, sent.task.text.expected.clone())]).collect();
    assert!(times.is_sorted(), "Return was not pressed in the order of the tickets: {times:?}");
}

/// Says on the terminal how long a run took: the test runner swallows what a test that passes prints.
pub(crate) fn say(what: &str, run: usize, took: Duration) {
    use std::io::Write as _;
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{what}, run {run}: {MESSAGES} messages in {:.2} s", took.as_secs_f64());
}

/// Runs in a row on one stage, each checked.
pub(crate) fn run(what: &str, runs: usize, stage: &mut Stage, send: impl Fn(&[Vec<Task>]) -> Vec<Sent>) {
    let mut before = Arrived::default();
    for run in 1..=runs {
        let plan = plan(run as u64, stage.len());
        let began = Instant::now();
        let sent = send(&plan);
        say(what, run, began.elapsed());
        before = check(stage, &before, sent);
    }
}
