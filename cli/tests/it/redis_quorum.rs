//! The program on a quorum of Redis servers: what it does on one, and what it says when too few of them answer.

use tests::{redis_quorum::RedisQuorum, require};

use crate::run_fixture::{Home, text, until};

#[test]
fn a_quorum_is_used_by_every_command() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let home = Home::new();
    let configure = |url: &str| {
        home.write("talkstick.toml", &format!("lock.backend = \"{url}\"\n"));
    };
    configure(&quorum.url());
    let said = |arguments: &[&str]| text(&home.talkstick(arguments).output().unwrap().stdout);
    let run = home.start(&["--ttl", "20s", "--grace", "200ms"], "echo $$ > child; exec sleep 60");
    home.until_pid("child");
    let waits = home.start(&["-w", "60", "-p", "urgent"], "echo next");
    until("one is in line", || said(&["status"]).contains(", 1 in line"));
    let status = said(&["status"]);
    assert!(status.starts_with("k: sh (pid ") && status.contains(" urgent "), "{status}");
    let doctor = said(&["doctor"]);
    assert_eq!(doctor.matches("all that locking needs").count(), 3, "{doctor}");
    assert!(doctor.contains("for many hosts"), "{doctor}");
    let clocks = doctor.lines().find(|line| line.contains("the clocks of the servers are ")).expect(&doctor);
    assert!(clocks.starts_with("ok") && clocks.ends_with(" s apart"), "{clocks}");
    // One server less is nothing to anybody.
    quorum.server(1).kill();
    let state: serde_json::Value = serde_json::from_str(&said(&["--json", "status", "k"])).unwrap();
    let token = state["holder"]["token"].to_string();
    let broken = home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
    assert_eq!(broken.status.code(), Some(0), "{}", text(&broken.stderr));
    assert_eq!(run.end_with_output().status.code(), Some(76));
    let next = waits.end_with_output();
    assert_eq!((next.status.code(), text(&next.stdout).as_str()), (Some(0), "next\n"), "{}", text(&next.stderr));
    let demo = ["--json", "demo", "--yes", "--surface", "simulated", "--scenario", "3x2"];
    let demo = home.talkstick(&demo).output().unwrap();
    assert_eq!(demo.status.code(), Some(0), "{}{}", text(&demo.stdout), text(&demo.stderr));
    // A minority is no answer, and nothing runs.
    quorum.server(2).kill();
    let refused = home.run(&[], "echo ran");
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(69), ""));
    let stderr = text(&refused.stderr);
    let away = [1, 2].map(|at| format!("redis://127.0.0.1:{}/0 cannot be reached", quorum.port(at)));
    assert!(stderr.contains("2 of the 3 servers of redis+quorum://"), "{stderr}");
    assert!(away.iter().all(|server| stderr.contains(server)), "{stderr}");
    let status = home.talkstick(&["status", "k"]).output().unwrap();
    assert_eq!((status.status.code(), text(&status.stdout).as_str()), (Some(9), ""));
    configure("redis+quorum://127.0.0.1:1,127.0.0.1:2");
    let refused = home.talkstick(&["status"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(9));
    assert!(text(&refused.stderr).contains("odd number"), "{}", text(&refused.stderr));
}

#[test]
fn doctor_finds_the_one_server_of_a_quorum_that_has_two_votes() {
    require!("redis-server", "redis-cli");
    let quorum = RedisQuorum::start(2, &[]);
    let home = Home::new();
    // Under another of its names.
    let places = [format!("127.0.0.1:{}", quorum.port(0)), format!("127.0.0.1:{}", quorum.port(1))];
    let url = format!("redis+quorum://{},{},localhost:{}", places[0], places[1], quorum.port(0));
    home.write("talkstick.toml", &format!("lock.backend = \"{url}\"\n"));
    let doctor = home.talkstick(&["doctor"]).output().unwrap();
    assert_eq!(doctor.status.code(), Some(9));
    let doctor = text(&doctor.stdout);
    assert!(doctor.contains("are one server, which has two votes"), "{doctor}");
}

/// A server without its data is noticed by the others, one with older data is not.
#[test]
fn doctor_warns_of_a_quorums_server_that_may_come_back_with_older_data() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    quorum.server(1).tell(&["CONFIG", "SET", "appendonly", "yes"]);
    quorum.server(2).tell(&["CONFIG", "SET", "save", "3600 1"]);
    let home = Home::new();
    home.write("talkstick.toml", &format!("lock.backend = \"{}\"\n", quorum.url()));
    let checks = || {
        let doctor = text(&home.talkstick(&["--json", "doctor"]).output().unwrap().stdout);
        let all = doctor.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let of_disk = all.filter(|check| check["check"].as_str().unwrap().starts_with("redis persistence ("));
        of_disk.collect::<Vec<_>>()
    };
    let states = |checks: &[serde_json::Value]| {
        checks.iter().map(|check| check["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let seen = checks();
    assert_eq!(states(&seen), ["ok", "warn", "warn"], "{seen:?}");
    assert!(seen[1]["advice"].as_str().unwrap().contains("appendfsync always"), "{seen:?}");
    quorum.server(1).tell(&["CONFIG", "SET", "appendfsync", "always"]);
    quorum.server(2).tell(&["CONFIG", "SET", "save", ""]);
    assert_eq!(states(&checks()), ["ok", "ok", "ok"]);
}
