//! The program on a Redis server: what it does on files, and what a server can do to it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tests::{
    proxy::Proxy, redis_cluster::RedisCluster, redis_sentinel::RedisSentinel, redis_server::RedisServer, require,
};

use crate::run_fixture::{Home, Running, is_alive, json, text, until};

/// The lease of the runs that lose it, and the half of it that their command has for its end.
const TTL: Duration = Duration::from_secs(10);
const LEASE: [&str; 4] = ["--ttl", "10s", "--grace", "5s"];

/// A home whose locks are on a server of its own.
struct Shared {
    home: Home,
    server: RedisServer,
}

impl Shared {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(options: &[&str]) -> Self {
        let (home, server) = (Home::new(), RedisServer::start_with(options));
        home.write("talkstick.toml", &format!("lock.backend = \"{}\"\n", server.url()));
        Self { home, server }
    }

    /// `run k`, left running; gives the process of its command.
    fn start_run(&self) -> (Running, Pid) {
        let run = self.home.start(&LEASE, "echo $$ > child; exec sleep 60");
        (run, self.home.until_pid("child"))
    }

    fn holder_token(&self) -> u64 {
        let status = self.home.talkstick(&["--json", "status", "k"]).output().unwrap();
        let state: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        state["holder"]["token"].as_u64().unwrap()
    }
}

/// The command must be gone inside the lease, and `run` must say what was lost where, what became of the command and how it
/// ends itself, and nothing else.
#[track_caller]
fn ends_inside_the_lease(run: Running, child: Pid, began: Instant, why: &str) {
    until("the command is gone", || !is_alive(child));
    assert!(began.elapsed() < TTL, "the command outlived the lease: {:?}", began.elapsed());
    let output = run.end_with_output();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(76), "{said}");
    assert!(said.starts_with("error: the lease on `k`") && said.contains(" is lost: "), "{said}");
    assert!(said.contains(why) && said.contains("redis"), "{said}");
    assert!(said.ends_with("; the command was ended by TERM; exit status 76\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn holder_line_and_break_are_as_on_files() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let (run, child) = shared.start_run();
    let waits = shared.home.start(&["-w", "60", "-p", "urgent"], "echo next");
    let status = || text(&shared.home.talkstick(&["status"]).output().unwrap().stdout);
    until("one is in line", || status().contains(", 1 in line"));
    assert!(status().contains("sh (pid ") && status().contains(" urgent "), "{}", status());
    let token = shared.holder_token().to_string();
    let broken = shared.home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
    assert_eq!(broken.status.code(), Some(0), "{}", text(&broken.stderr));
    assert_eq!(run.end_with_output().status.code(), Some(76));
    assert!(!is_alive(child));
    let next = waits.end_with_output();
    assert_eq!((next.status.code(), text(&next.stdout).as_str()), (Some(0), "next\n"));
    assert_eq!(status(), "k: nobody holds it\n");
}

#[test]
fn a_server_that_hangs_ends_the_command_inside_the_lease() {
    require!("redis-server", "redis-cli");
    let mut shared = Shared::start();
    let (run, child) = shared.start_run();
    let began = Instant::now();
    shared.server.process().stop();
    ends_inside_the_lease(run, child, began, "did not answer within");
}

#[test]
fn a_server_that_is_killed_ends_the_command_inside_the_lease() {
    require!("redis-server", "redis-cli");
    let mut shared = Shared::start();
    let (run, child) = shared.start_run();
    let began = Instant::now();
    shared.server.kill();
    ends_inside_the_lease(run, child, began, "cannot be reached");
}

#[test]
fn a_partition_ends_the_command_inside_the_lease() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let network = Proxy::to(&shared.server.socket());
    let url = format!("redis://127.0.0.1:{}", network.port());
    shared.home.write("talkstick.toml", &format!("lock.backend = \"{url}\"\n"));
    let (run, child) = shared.start_run();
    let began = Instant::now();
    network.partition();
    ends_inside_the_lease(run, child, began, "it could not be renewed in time");
}

#[test]
fn a_deleted_key_ends_the_command_at_once() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let (run, child) = shared.start_run();
    let began = Instant::now();
    assert_eq!(shared.server.tell(&["DEL", "talkstick:{k}:lock"]), "1");
    ends_inside_the_lease(run, child, began, "what the store kept of it was deleted or replaced");
}

/// Nobody renews, so the lease ends, and the next one holds; by then the supervisor must have ended the command.
#[test]
fn a_stopped_run_loses_its_command_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let (run, child) = shared.start_run();
    run.signal(Signal::STOP);
    let next = shared.home.start(&["-w", "60"], "kill -0 $(cat child) 2>/dev/null && echo alive || echo dead");
    let next = next.end_with_output();
    assert_eq!(text(&next.stdout), "dead\n", "{}", text(&next.stderr));
    assert!(!is_alive(child));
    run.signal(Signal::CONT);
    let output = run.end_with_output();
    assert_eq!(output.status.code(), Some(76), "{}", text(&output.stderr));
}

#[test]
fn a_server_that_is_not_there_is_said_and_nothing_runs() {
    require!("redis-server", "redis-cli");
    let mut shared = Shared::start();
    shared.server.kill();
    let run = shared.home.run_command(&[], "echo ran");
    let output = { run }.arg("x").output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(69), ""));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("redis+unix://") && stderr.contains("cannot be reached"), "{stderr}");
    let status = shared.home.talkstick(&["status"]).output().unwrap();
    assert_eq!((status.status.code(), text(&status.stdout).as_str()), (Some(9), ""));
}

#[test]
fn a_password_stays_secret() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start_with(&["--requirepass", "secret-word"]);
    let home = &shared.home;
    let refused = home.run(&[], "true");
    assert_eq!(refused.status.code(), Some(69));
    assert!(text(&refused.stderr).contains("TALKSTICK_REDIS_PASSWORD"), "{}", text(&refused.stderr));
    let with = |word: &str, args: &[&str]| {
        let mut command = home.talkstick(args);
        command.env("TALKSTICK_REDIS_PASSWORD", word);
        command.output().unwrap()
    };
    let wrong = with("secret-wrong", &["-vv", "run", "k", "--", "true"]);
    assert_eq!(wrong.status.code(), Some(69));
    assert!(text(&wrong.stderr).contains("refuses user `default`"), "{}", text(&wrong.stderr));
    let child = with("secret-word", &["-vv", "run", "k", "--", "env"]);
    assert_eq!(child.status.code(), Some(0), "{}", text(&child.stderr));
    let shown = with("secret-word", &["config", "show"]);
    home.write("password", "secret-word\n");
    home.write("talkstick.toml", &format!("{}redis.password_file = \"password\"\n", home.read("talkstick.toml")));
    let from_file = home.run(&[], "env");
    assert_eq!(from_file.status.code(), Some(0), "{}", text(&from_file.stderr));
    let url = shared.server.url().replacen("://", "://user:secret-word@h", 1);
    let argv = home.talkstick(&["--backend", &url, "status"]).output().unwrap();
    assert_eq!(argv.status.code(), Some(2));
    assert!(text(&argv.stderr).contains("redis.password_file"), "{}", text(&argv.stderr));
    for output in [refused, wrong, child, shown, from_file, argv] {
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains("secret-"), "{said}");
    }
}

/// A child must not lock elsewhere because its URL is gone: it gets the URL, without the password.
#[test]
fn a_url_with_a_password_is_passed_on_without_it() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let port = tests::redis_server::free_port().to_string();
    assert_eq!(shared.server.tell(&["CONFIG", "SET", "port", &port]), "OK");
    shared.server.tell(&["ACL", "SETUSER", "team", "on", ">secret-word", "~*", "&*", "+@all"]);
    let mut run = shared.home.talkstick(&["run", "k", "--", "env"]);
    run.env("TALKSTICK__LOCK__BACKEND", format!("redis://team:secret-word@127.0.0.1:{port}"));
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let seen = text(&output.stdout);
    assert!(seen.contains(&format!("TALKSTICK__LOCK__BACKEND=redis://127.0.0.1:{port}\n")), "{seen}");
    assert!(!seen.contains("secret-word"));
}

#[test]
fn doctor_sees_what_a_server_keeps_and_what_it_lacks() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let check = |name: &str| {
        let output = shared.home.talkstick(&["--json", "doctor"]).output().unwrap();
        let checks = text(&output.stdout);
        let lines = checks.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.into_iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no `{name}` in {checks}"))
    };
    assert_eq!(check("redis rights")["state"], "ok");
    assert_eq!(check("redis clock")["state"], "ok");
    assert_eq!(
        (check("redis eviction")["state"].clone(), check("redis persistence")["state"].clone()),
        ("ok".into(), "warn".into())
    );
    shared.server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    shared.server.tell(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(
        (check("redis eviction")["state"].clone(), check("redis persistence")["state"].clone()),
        ("warn".into(), "ok".into())
    );
    shared.server.tell(&["ACL", "SETUSER", "default", "-publish"]);
    let rights = check("redis rights");
    assert_eq!(rights["state"], "fail");
    assert!(rights["seen"].as_str().unwrap().contains("+publish"), "{rights}");
}

#[test]
fn demo_plays_on_a_server() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let output = shared
        .home
        .talkstick(&["--json", "demo", "--yes", "--surface", "simulated", "--scenario", "3x2"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"redis+unix\""), "{}", text(&output.stdout));
}

#[test]
fn json_of_a_run_names_token_and_ticket() {
    require!("redis-server", "redis-cli");
    let shared = Shared::start();
    let output = shared.home.talkstick(&["--json", "run", "k", "--", "true"]).output().unwrap();
    let said = json(&output);
    assert!(said["token"].as_u64().unwrap() > 1_600_000_000_000_000, "{said}");
    assert_eq!((said["outcome"].clone(), said["exit"].clone()), ("ran".into(), 0.into()));
}

#[test]
fn a_master_that_sentinel_names_is_used_by_every_command() {
    require!("redis-server", "redis-cli");
    let port = tests::redis_server::free_port();
    let shared = Shared::start_with(&["--port", &port.to_string()]);
    let sentinel = RedisSentinel::watch("swarm", port, Duration::from_secs(5));
    let url = format!("redis+sentinel://127.0.0.1:{}/swarm", sentinel.port());
    shared.home.write("talkstick.toml", &format!("lock.backend = \"{url}\"\n"));
    let (run, _child) = shared.start_run();
    let status = text(&shared.home.talkstick(&["status"]).output().unwrap().stdout);
    assert!(status.starts_with("k: sh (pid "), "{status}");
    let token = shared.holder_token().to_string();
    let broken = shared.home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
    assert_eq!(broken.status.code(), Some(0), "{}", text(&broken.stderr));
    assert_eq!(run.end_with_output().status.code(), Some(76));
    let doctor = text(&shared.home.talkstick(&["doctor"]).output().unwrap().stdout);
    assert!(doctor.contains("redis rights: all that locking needs"), "{doctor}");
    let other = shared.home.talkstick(&["--backend", &format!("{url}s"), "status"]).output().unwrap();
    assert_eq!(other.status.code(), Some(9));
    assert!(text(&other.stderr).contains("know no master `swarms`"), "{}", text(&other.stderr));
}

#[test]
fn a_cluster_is_used_by_every_command() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let home = Home::new();
    home.write("talkstick.toml", &format!("lock.backend = \"{}\"\n", cluster.url()));
    let said = |arguments: &[&str]| text(&home.talkstick(arguments).output().unwrap().stdout);
    // Locks of all three masters: a has slot 15495, b 3300, c 7365.
    let ran = ["c", "b", "a"].map(|key| home.talkstick(&["run", key, "--", "true"]).output().unwrap().status.code());
    assert_eq!(ran, [Some(0); 3]);
    let run = home.start(&["--ttl", "20s", "--grace", "200ms"], "echo $$ > child; exec sleep 60");
    home.until_pid("child");
    let status = said(&["status"]);
    assert!(
        ["a: nobody", "b: nobody", "c: nobody", "k: sh (pid "].iter().all(|line| status.contains(line)),
        "{status}"
    );
    let state: serde_json::Value = serde_json::from_str(&said(&["--json", "status", "k"])).unwrap();
    let token = state["holder"]["token"].to_string();
    let broken = home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
    assert_eq!(broken.status.code(), Some(0), "{}", text(&broken.stderr));
    assert_eq!(run.end_with_output().status.code(), Some(76));
    let doctor = said(&["doctor"]);
    assert!(doctor.contains("redis rights: all that locking needs"), "{doctor}");
    assert!(doctor.contains("maxmemory-policy noeviction"), "{doctor}");
    // One master that throws locks away is enough.
    cluster.nodes()[2].server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let doctor = said(&["doctor"]);
    assert!(doctor.contains("maxmemory-policy allkeys-lru"), "{doctor}");
}
