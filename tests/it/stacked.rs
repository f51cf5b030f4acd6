//! One display, reached with different stores and from different roots: senders take turns all the same, for the host's
//! own gates guard it beside whatever lock is configured.

use std::process::{Command, Output};

use deliver::{State, agent_windows::Options};
use serde_json::Value;
use tests::{
    probe::{READY_WITHIN, until},
    process::Process,
    redis_server::RedisServer,
    require,
};

use crate::desktop_delivery::{program::Root, stage::Stage};

/// Messages that are sent at once, each by a process of its own.
const MESSAGES: usize = 24;

/// Two roots with the same agents, and a Redis server that both may use. `Held` is the first agent with a pause before Enter.
struct Scene {
    roots: [Root; 2],
    stage: Stage,
    redis: RedisServer,
}

impl Scene {
    fn open(settle_ms: u32) -> Self {
        Self::with(settle_ms, "")
    }

    fn with(settle_ms: u32, settings: &str) -> Self {
        let stage = Stage::windows_of(&Options { count: 4, ..Options::default() });
        let (x, y) = stage.centres()[0];
        let held = format!("[agents.Held]\npoint = [{x}, {y}]\nprofile = \"paused\"\n");
        let pause = format!("[profiles.paused]\nbase = \"chat\"\nsettle_ms = {settle_ms}\n");
        let config = settings.to_owned() + &stage.config() + &pause + &held;
        let roots = [(); 2].map(|()| Root::new(stage.display(), &config));
        Self { roots, stage, redis: RedisServer::start() }
    }

    fn send(&self, root: usize, backend: &str, agent: &str, text: &str, more: &[&str]) -> Command {
        let start = ["--json", "--backend", backend, "send", "-a", agent, "-m", text];
        self.roots[root].command(&[&start, more].concat())
    }

    /// A sender of the first root on Redis, between its paste and its Enter.
    fn paused_sender(&mut self) -> Process {
        let sender = Process::start(self.send(0, &self.redis.url(), "Held", "paused", &[]));
        until(READY_WITHIN, "the sender has pasted and not pressed Enter", || {
            assert!(sender.runs(), "the sender ended: {}", sender.said());
            self.stage.drafts() == [(0, "paused".to_owned())]
        });
        sender
    }
}

fn receipt(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|error| {
        panic!("no receipt ({error}): {text} {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// The receipt says that there was no lock in time; gives the reason.
#[track_caller]
fn no_lock(mut command: Command) -> String {
    let output = command.output().expect("talkstick runs");
    let receipt = receipt(&output);
    assert_eq!(
        (output.status.code(), &receipt["reason"]["code"], &receipt["typed"]),
        (Some(6), &"no_lock".into(), &false.into()),
        "{receipt}"
    );
    receipt["reason"]["message"].as_str().expect("a message").to_owned()
}

#[test]
fn senders_with_other_stores_and_roots_take_turns() {
    require!("Xvfb", "redis-server", "redis-cli");
    let mut scene = Scene::open(0);
    let redis = scene.redis.url();
    let ways = [(0, redis.as_str()), (0, "file"), (0, "sqlite"), (1, redis.as_str()), (1, "file"), (1, "file:locks")];
    let started: Vec<_> = (0..MESSAGES)
        .map(|nth| {
            let (root, backend) = ways[nth % ways.len()];
            let agent = format!("Agent-{}", nth % 4 + 1);
            let mut send = scene.send(root, backend, &agent, &format!("<{nth}>"), &["--timeout", "60"]);
            send.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            (send.spawn().expect("talkstick starts"), backend)
        })
        .collect();
    for (child, backend) in started {
        let output = child.wait_with_output().expect("talkstick ends");
        let receipt = receipt(&output);
        assert_eq!((output.status.code(), &receipt["state"]), (Some(0), &"submitted".into()), "{backend}: {receipt}");
        // Who had to wait has waited in line, and has not met another sender at work.
        assert!(!receipt["evidence"].to_string().contains("postponed"), "{backend}: {receipt}");
    }
    let arrived = scene.stage.arrived(MESSAGES);
    let mut all = arrived.submitted.concat();
    all.sort_by_key(|text| text.trim_matches(['<', '>']).parse::<usize>().expect("a number"));
    assert_eq!(all, (0..MESSAGES).map(|nth| format!("<{nth}>")).collect::<Vec<_>>());
    assert_eq!(arrived.unsent, Vec::<String>::new());
}

#[test]
fn who_holds_a_gate_is_named_to_senders_with_another_store_or_root() {
    require!("Xvfb", "redis-server", "redis-cli", "python3");
    let mut scene = Scene::open(60_000);
    let mut sender = scene.paused_sender();
    let pid = format!("(pid {} on ", sender.pid());
    let display = format!("`display/{}`", scene.stage.display());
    let short = ["--timeout", "0.5"];
    let same_store = no_lock(scene.send(1, &scene.redis.url(), "Agent-2", "x", &short));
    assert!(same_store.contains("`desktop/") && same_store.contains(&pid), "{same_store}");
    let same_root = no_lock(scene.send(0, "file", "Agent-2", "x", &short));
    assert!(same_root.contains("no lock on `messaging_pyautogui` within ") && same_root.contains(&pid), "{same_root}");
    let other_root = no_lock(scene.send(1, "file", "Agent-2", "x", &short));
    assert!(other_root.contains(&format!("no lock on {display}")) && other_root.contains(&pid), "{other_root}");
    // Nothing of those who gave up is left: not the locks that they had on the way.
    let status = scene.roots[1].run(&["--backend", "file", "status"], "");
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!(lines[0], "messaging_pyautogui: nobody holds it", "{status}");
    assert!(lines[1].starts_with(display.trim_matches('`')) && lines[1].contains(&pid), "{status}");
    let ask = "import fcntl, sys\nf = open(sys.argv[1], 'a')\n\
               try: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError: sys.exit(9)";
    let gate = scene.roots[0].path().join("runtime/locks/messaging_pyautogui.lock");
    let python = Command::new("python3").args(["-c", ask]).arg(gate).status().expect("python3 runs");
    assert_eq!(python.code(), Some(9), "an old sender is held off");
    sender.kill();
    let next = scene.send(1, "file", "Agent-2", "next", &[]).output().expect("talkstick runs");
    assert_eq!(next.status.code(), Some(0), "{}", receipt(&next));
    assert_eq!(scene.stage.arrived(1).submitted[1], ["next"]);
}

#[test]
fn an_old_sender_holds_off_one_on_redis() {
    require!("Xvfb", "redis-server", "redis-cli", "python3");
    let mut scene = Scene::open(0);
    let folder = scene.roots[0].path().join("runtime/locks");
    std::fs::create_dir_all(&folder).expect("a folder");
    let hold = "import fcntl, sys\nf = open(sys.argv[1], 'w')\nfcntl.flock(f, fcntl.LOCK_EX)\n\
                print('held', flush=True)\ninput()";
    let mut command = Command::new("python3");
    command.args(["-c", hold]).arg(folder.join("messaging_pyautogui.lock"));
    let mut python = Process::start(command);
    python.expect_line("that it holds the gate", |line| (line == "held").then_some(()));
    let redis = scene.redis.url();
    let refused = no_lock(scene.send(0, &redis, "Agent-1", "x", &["--timeout", "0.5"]));
    assert!(refused.contains("a program outside talkstick holds it"), "{refused}");
    let sender = Process::start(scene.send(0, &redis, "Agent-1", "then", &[]));
    until(READY_WITHIN, "the sender says for whom it waits", || {
        sender.said().contains("waiting for `messaging_pyautogui`: a program outside talkstick holds it")
    });
    assert!(scene.stage.drafts().is_empty());
    python.say("go");
    assert_eq!(scene.stage.arrived(1).submitted[0], ["then"]);
}

#[test]
fn the_loss_of_any_gate_stops_the_delivery_before_enter() {
    require!("Xvfb", "redis-server", "redis-cli");
    let losses: [fn(&mut Scene); 3] = [
        |scene| assert_eq!(scene.redis.tell(&["FLUSHALL"]), "OK"),
        |scene| scene.redis.process().stop(),
        |scene| std::fs::remove_dir_all(scene.roots[0].path().join("runtime/locks")).expect("the locks go"),
    ];
    // Each takes the time of the pause.
    std::thread::scope(|threads| {
        for lose in losses {
            threads.spawn(move || is_lost_before_enter(lose));
        }
    });
}

fn is_lost_before_enter(lose: fn(&mut Scene)) {
    // The lease of a server that has stopped ends well inside the pause before Enter.
    let mut scene = Scene::with(8000, "lock.ttl = \"2s\"\n");
    let mut sender = scene.paused_sender();
    lose(&mut scene);
    let receipt: Value = sender.expect_line("its receipt", |line| serde_json::from_str(line).ok());
    assert_eq!(sender.wait(READY_WITHIN).code(), Some(5), "{receipt}");
    assert_eq!(
        (&receipt["state"], &receipt["reason"]["code"]),
        (&"uncertain".into(), &"lease_lost".into()),
        "{receipt}"
    );
    assert_eq!(scene.stage.drafts(), [(0, "paused".to_owned())], "no Enter was pressed");
    assert_eq!(scene.roots[0].history().last().map(|last| last.state), Some(State::Uncertain));
}
