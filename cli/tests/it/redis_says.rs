//! What `status`, `break` and `doctor` say of locks on a Redis server.

use tests::{redis_server::RedisServer, require};

use crate::run_fixture::{Home, text};

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
