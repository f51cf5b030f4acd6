//! A line that somebody tampers with on the server: the judge sees it in what real senders had.

use std::time::Duration;

use tests::{redis_server::RedisServer, require};

use crate::{
    crowd::{Crowd, Recipe},
    history::{Excuses, Violation, violations},
    operator::Operator,
    sender,
};

/// Nobody's lease ends by itself.
const TTL: Duration = Duration::from_secs(60);
const LINE: &str = "talkstick:{k}:line";
const WAITERS: &str = "talkstick:{k}:waiters";

#[test]
fn who_is_put_before_others_is_found() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let operator = Operator::at(&server);
    let recipe = |sender| Recipe {
        within: Vec::new(),
        url: server.url(),
        turns: 1,
        ttl: TTL,
        longest: Duration::from_millis(500),
        seed: SEED,
        special: (sender == 0).then_some((sender::UNTIL_TOLD, 0)),
    };
    let mut crowd = Crowd::gather(&[0, 1, 2].map(recipe));
    crowd.members[0].process.say("begin");
    crowd.until("the first holds", |members| !members[0].turns.is_empty());
    for sender in [1, 2] {
        crowd.members[sender].process.say("begin");
        operator.until_in_line(1, &[crowd.members[sender].process.pid()]);
    }
    make_the_last_one_urgent(&server);
    crowd.members[0].process.say("let go");
    crowd.until_all_have_ended();
    // Nothing excuses it, not even that a sender did not run for a while.
    let found = violations(&crowd.turns(), &Excuses { ttl: TTL, ..Excuses::default() });
    assert!(
        matches!(found[..], [Violation::Order(passed_over, other)] if (passed_over.sender, other.sender) == (1, 2)),
        "{found:#?}"
    );
}

/// It does not know: it asked as all others. What the server has on record stays, however often its waiters ask again.
fn make_the_last_one_urgent(server: &RedisServer) {
    let ticket = server.tell(&["ZRANGE", LINE, "-1", "-1"]);
    let (place, request) = ticket.split_at(17);
    let asked = server.tell(&["HGET", WAITERS, request]);
    let urgent = asked.replace(&format!("\"class\":{}", &place[..1]), "\"class\":0");
    assert_ne!(urgent, asked);
    assert_eq!(server.tell(&["HSET", WAITERS, request, &urgent]), "0");
    server.tell(&["ZADD", LINE, "0", &format!("0{}", &ticket[1..])]);
    assert_eq!(server.tell(&["ZREM", LINE, &ticket]), "1");
}

/// With it a sender asks as `normal` and waits for as long as it takes.
const SEED: u64 = 0;
