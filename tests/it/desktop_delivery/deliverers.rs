//! Sender processes that stay: each has its own deliverer, with the file lock, the journal and the real display.

use std::{
    io::{BufRead as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, Profile, SendOptions, SurfaceKind,
    desktop::{
        DesktopSurface, Place,
        x11::{X11Desktop, keeper::KeeperCommand},
    },
};
use lock_core::LockKey;
use lock_file::{FileConfig, FileLock};
use serde::{Deserialize, Serialize};
use tests::process::Process;

use super::{
    crowd::{Sent, Task},
    program::{KEY, Root, talkstick},
};

/// Set in the environment of such a process.
pub(crate) const ROLE: &str = "TALKSTICK_TEST_DELIVERER";

/// What it says when it is ready to begin, and before each receipt: the test runner prints lines of its own.
const READY: &str = "deliverer: ready";
const RECEIPT: &str = "deliverer: receipt ";

/// What one process is to send, on one line of its standard input.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    root: PathBuf,
    talkstick: PathBuf,
    messages: Vec<(Place, String, String)>,
}

/// Such processes, ready to begin.
pub(crate) struct Deliverers(Vec<Process>);

impl Deliverers {
    /// Starts this program again, with `arguments` that lead to [`play`], once for each sender of the plan.
    pub(crate) fn start(root: &Root, arguments: &[&str], places: &[(Place, String)], plan: &[Vec<Task>]) -> Self {
        let start = |tasks: &Vec<Task>| {
            let mut command = root.isolated(&std::env::current_exe().expect("this program has a path"));
            command.args(arguments).env(ROLE, "1");
            let message = |task: &Task| {
                let (place, profile) = places[task.agent].clone();
                (place, profile, task.text.given.clone())
            };
            let messages = tasks.iter().map(message).collect();
            let job = Job { root: root.path(), talkstick: talkstick().to_owned(), messages };
            let mut process = Process::start(command);
            process.say(&serde_json::to_string(&job).expect("a job is JSON"));
            process
        };
        let processes: Vec<Process> = plan.iter().map(start).collect();
        for process in &processes {
            process.expect_line("that it is ready", |line| line.contains(READY).then_some(()));
        }
        Self(processes)
    }

    /// Lets all begin at once; what came of their messages.
    pub(crate) fn send(mut self, plan: &[Vec<Task>]) -> Vec<Sent> {
        self.0.iter_mut().for_each(|process| process.say("go"));
        let finish = |(process, tasks): (&Process, &Vec<Task>)| -> Vec<Sent> {
            let receipt = |line: &str| line.split_once(RECEIPT).map(|(_, json)| json.to_owned());
            let sent = |task: &Task| {
                let json = process.expect_line("a receipt", receipt);
                let receipt = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
                Sent { task: task.clone(), receipt }
            };
            tasks.iter().map(sent).collect()
        };
        self.0.iter().zip(plan).flat_map(finish).collect()
    }
}

/// The body of such a process.
pub(crate) fn play() {
    let mut lines = std::io::stdin().lock().lines();
    let mut line = move || lines.next().expect("a line").expect("standard input");
    let job: Job = serde_json::from_str(&line()).expect("a job");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let deliverer = deliverer(&job.root, &job.talkstick);
    let options = SendOptions { timeout: Duration::from_secs(120), ..SendOptions::default() };
    say(READY);
    line();
    for (place, profile, text) in job.messages {
        let message = Message::new(&text).expect("a message").0;
        let receipt = runtime.block_on(deliverer.send(&message, &agent(place, &profile), &options));
        let receipt =
            receipt.unwrap_or_else(|error| panic!("not begun: {error}: {:?}", std::error::Error::source(&error)));
        say(&format!("{RECEIPT}{}", serde_json::to_string(&receipt).expect("a receipt is JSON")));
    }
}

/// Whom `profile` is the built-in profile of.
pub(crate) fn agent(place: Place, profile: &str) -> Agent {
    let profile = Profile::named(profile).expect("a built-in profile");
    Agent { name: "Agent".into(), surface: SurfaceKind::Desktop, place, profile }
}

/// A deliverer to the display of the environment, as the program makes one.
pub(crate) fn deliverer(root: &std::path::Path, talkstick: &std::path::Path) -> Deliverer {
    let key = LockKey::new(KEY).expect("a key");
    let store = FileLock::open(FileConfig::new(root.join("runtime/locks"))).expect("the file lock opens");
    let keeper = KeeperCommand::new(talkstick, ["helper", "keeper"]);
    let surface = DesktopSurface::new(move || Ok(Box::new(X11Desktop::connect(None, &keeper)?)));
    let journal = Journal::open(root, &key).expect("a journal");
    Deliverer::new(DesktopLocks::alone(Arc::new(store), key), Arc::new(surface), journal)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the starter listens");
}
