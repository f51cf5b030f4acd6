//! `run` where as many wait as may, on each backend.

use tests::{redis_server::RedisServer, require};

use crate::run_fixture::{Home, json, text, until};

#[test]
fn one_more_than_may_wait_is_refused_and_runs_nothing() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    for url in ["file".to_owned(), "sqlite".to_owned(), server.url()] {
        let home = Home::new();
        home.write("talkstick.toml", &format!("lock.backend = \"{url}\"\nqueue.max = 2\n"));
        let in_line = || {
            let status = home.talkstick(&["--json", "status", "k"]).output().unwrap();
            serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["queue"].as_array().unwrap().len()
        };
        let holds = home.start(&[], "echo $$ > child; until [ -e go ]; do sleep 0.01; done");
        home.until_pid("child");
        let waiting = [0, 1].map(|_| home.start(&["-w", "60"], "echo ran"));
        until("two are in line", || in_line() == 2);
        let refused = { home.talkstick(&["--json", "run", "-w", "60", "k", "--", "touch", "ran"]) }.output().unwrap();
        let said = json(&refused);
        assert_eq!((refused.status.code(), &said["outcome"]), (Some(75), &"not_acquired".into()), "{url}: {said}");
        let people = text(&home.run(&["-w", "60", "-E", "5"], "touch ran").stderr);
        assert!(people.contains("the line for `k` is full: 2 wait, 2 is the limit (`queue.max`)"), "{url}: {people}");
        assert!(!home.path("ran").exists());
        assert_eq!(in_line(), 2);
        home.write("go", "");
        assert_eq!(holds.end_with_output().status.code(), Some(0));
        for waits in waiting {
            let output = waits.end_with_output();
            assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "ran\n"), "{url}");
        }
    }
}
