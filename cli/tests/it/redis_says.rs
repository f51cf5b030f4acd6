//! What `status`, `break` and `doctor` say of locks on a Redis server.

use rustix::process::Signal;
use tests::{redis_server::RedisServer, require};

use crate::run_fixture::{Home, Running, is_stopped, text, until};

#[test]
fn status_finds_locks_under_a_prefix_with_signs_of_a_pattern() {
    require!("redis-server", "redis-cli");
    let (home, server) = (Home::new(), RedisServer::start());
    let with_prefix = |prefix: &str| {
        home.write("talkstick.toml", &format!("lock.backend = \"{}\"\nredis.prefix = '{prefix}'\n", server.url()));
    };
    // What this one would match as a pattern is not its own.
    for (prefix, other) in [("team[1]:", "team1:"), ("a*b?:", "a-b-:"), (r"a\?:", "a?:")] {
        with_prefix(other);
        assert_eq!(home.talkstick(&["run", "of-other", "--", "true"]).output().unwrap().status.code(), Some(0));
        with_prefix(prefix);
        assert_eq!(home.talkstick(&["run", "own", "--", "true"]).output().unwrap().status.code(), Some(0));
        let status = home.talkstick(&["status"]).output().unwrap();
        let shown = text(&status.stdout);
        assert!(shown.contains("own: nobody holds it\n") && !shown.contains("of-other"), "{prefix}: {shown}");
    }
}

/// Where leases end by themselves nobody is killed, and nobody is told to kill.
#[test]
fn a_stopped_holder_is_no_reason_to_kill_where_its_lease_ends() {
    require!("redis-server", "redis-cli");
    let (home, server) = (Home::new(), RedisServer::start());
    home.write("talkstick.toml", "");
    let url = server.url();
    let on_server = |args: &[&str]| home.talkstick(&[&["--backend", &url], args].concat());
    let run = on_server(&["run", "--ttl", "60s", "k", "--", "sh", "-c", "echo $$ > child; exec sleep 60"]);
    let run = Running({ run }.spawn().unwrap());
    home.until_pid("child");
    server.tell(&["HSET", "talkstick:{k}:lock", "since", "1700000000000000"]);
    let doctor = text(&on_server(&["doctor"]).output().unwrap().stdout);
    let token = json_of(&on_server(&["--json", "status", "k"]).output().unwrap().stdout)["holder"]["token"].to_string();
    let root = home.path("").canonicalize().unwrap();
    let advised = format!("`talkstick --root {} --backend {url} break k --token {token}`\n", root.display());
    assert!(doctor.contains(&advised), "no {advised} in {doctor}");
    run.signal(Signal::STOP);
    until("run is stopped", || is_stopped(run.pid()));
    let killing = on_server(&["break", "k", "--token", &token, "--kill"]).output().unwrap();
    let refusal = text(&killing.stderr);
    assert_eq!(killing.status.code(), Some(9), "{refusal}");
    assert!(refusal.contains("break without --kill") && refusal.contains("nothing was broken\n"), "{refusal}");
    let broken = on_server(&["break", "k", "--token", &token]).output().unwrap();
    let said = text(&broken.stderr);
    assert_eq!(broken.status.code(), Some(0), "{said}");
    assert!(said.contains("or when its lease has ended by itself") && !said.contains("--kill"), "{said}");
    let status = text(&on_server(&["status", "k"]).output().unwrap().stdout);
    assert!(status.contains("(broken: it lets go when it runs again, or its lease ends by itself)"), "{status}");
    run.signal(Signal::CONT);
    assert_eq!(run.end_with_output().status.code(), Some(76));
}

fn json_of(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_run_below_a_run_that_lacks_the_password_is_told_why() {
    require!("redis-server", "redis-cli");
    let (home, server) = (Home::new(), RedisServer::start_with(&["--requirepass", "secret-word"]));
    let config = format!("lock.backend = \"{}\"\n", server.url());
    home.write("talkstick.toml", &config);
    let program = env!("CARGO_BIN_EXE_talkstick");
    let nested = || {
        let mut outer = home.talkstick(&["run", "k", "--", program, "run", "k", "--", "echo", "inner"]);
        outer.env("TALKSTICK_REDIS_PASSWORD", "secret-word").output().unwrap()
    };
    let refused = nested();
    let stderr = text(&refused.stderr);
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(69), ""), "{stderr}");
    assert!(stderr.contains("`run` passes no password on"), "{stderr}");
    home.write("password", "secret-word\n");
    home.write("talkstick.toml", &format!("{config}redis.password_file = \"password\"\n"));
    let ran = nested();
    assert_eq!((ran.status.code(), text(&ran.stdout).as_str()), (Some(0), "inner\n"), "{}", text(&ran.stderr));
    // Who is below no run has lost nothing.
    home.write("talkstick.toml", &config);
    let alone = home.run(&[], "true");
    assert!(!text(&alone.stderr).contains("passes no password on"), "{}", text(&alone.stderr));
}
