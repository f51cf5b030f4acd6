//! A flood: many processes with many tasks each at one key, again and again, on every backend. In CI a short one; the full
//! one, 200 processes with 2000 tasks for 60 s on each backend, is one command:
//!
//! `TALKSTICK_FLOOD=200,2000,60 cargo test --release -p tests --test it flood:: -- --nocapture --test-threads 1`

mod member;
mod verdict;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout},
};

use tests::{redis_quorum::RedisQuorum, redis_server::RedisServer, require, role::role};
use verdict::{Memory, Order, Turn};

/// How much of it.
#[derive(Debug, Clone, Copy)]
struct Size {
    processes: usize,
    tasks: usize,
    seconds: u64,
}

impl Size {
    fn wanted() -> Self {
        let Ok(text) = std::env::var("TALKSTICK_FLOOD") else { return Self { processes: 12, tasks: 120, seconds: 2 } };
        let numbers: Vec<u64> = text.split(',').map(|n| n.parse().expect("PROCESSES,TASKS,SECONDS")).collect();
        let [processes, tasks, seconds] = numbers[..] else { panic!("PROCESSES,TASKS,SECONDS") };
        Self { processes: processes as usize, tasks: tasks as usize, seconds }
    }
}

/// A process of the flood, ended and reaped when dropped.
struct Member {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Member {
    fn start(store: &str, tasks: usize, seconds: u64) -> Self {
        let mut child = role("flood::member::member")
            .env(member::STORE, store)
            .env(member::TASKS, tasks.to_string())
            .env(member::SECONDS, seconds.to_string())
            .spawn()
            .expect("a process");
        let said = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, said }
    }

    fn is_ready(&mut self) {
        assert!(self.said.any(|line| line.expect("a line") == "READY"));
    }

    fn begin(&mut self) {
        self.child.stdin.as_mut().expect("its input").write_all(b"\n").expect("it listens");
    }

    fn finish(mut self) -> (Vec<Turn>, Memory) {
        let lines: Vec<String> = self.said.by_ref().map(|line| line.expect("a line")).collect();
        let numbers = |word: &str| -> Vec<Vec<u64>> {
            let of = lines.iter().filter_map(|line| line.strip_prefix(word));
            of.map(|rest| rest.split_whitespace().map(|n| n.parse().expect("a number")).collect()).collect()
        };
        assert!(self.child.wait().expect("it ends").success(), "{}", lines.join("\n"));
        let memory = numbers("MEMORY").pop().expect("what it uses");
        (numbers("TURN").iter().map(|turn| Turn::from_numbers(turn)).collect(), Memory::from_numbers(&memory))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn flood(name: &str, store: &str) {
    flood_of(Size::wanted(), name, store, Order::Promised);
}

fn flood_of(size: Size, name: &str, store: &str, order: Order) {
    let each = size.tasks / size.processes;
    let mut members: Vec<Member> = (0..size.processes).map(|_| Member::start(store, each, size.seconds)).collect();
    members.iter_mut().for_each(Member::is_ready);
    members.iter_mut().for_each(Member::begin);
    let (mut turns, mut memory) = (Vec::new(), Vec::new());
    for member in members {
        let (its, used) = member.finish();
        turns.extend(its);
        memory.push(used);
    }
    verdict::judge(name, turns, &memory, each * size.processes, order);
}

#[test]
fn on_threads() {
    // The lock is its process's own, so all tasks are in one.
    flood_of(Size { processes: 1, ..Size::wanted() }, "thread", "thread", Order::Promised);
}

#[test]
fn on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    flood("file", &format!("file:{}", folder.path().display()));
}

#[test]
fn on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    flood("sqlite", &format!("sqlite:{}", folder.path().join("locks.sqlite").display()));
}

#[test]
fn on_redis() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    flood("redis", &server.url());
    // What is left of a key: its last token and number, and no ticket.
    let left: Vec<String> = server.tell(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    assert!(left.len() <= 1, "left behind: {left:?}");
}

#[test]
fn on_a_quorum() {
    require!("redis-server", "redis-cli");
    let quorum = RedisQuorum::start_old(3, &[]);
    flood_of(Size::wanted(), "redis+quorum", &quorum.url(), Order::NotPromised);
    for left in quorum.tell(0..quorum.len(), &["KEYS", "*"]) {
        // Beside it, since when the server keeps locks, and requests that are over.
        assert!(left.lines().count() <= 3, "left behind: {left:?}");
    }
}
