//! A line that somebody tampers with on the server: the judge sees it in what real senders had.

use std::time::Duration;

use tests::{redis_server::RedisServer, require};

use crate::{
    crowd::{Crowd, Recipe},
    history::{Excuses, Violation},
    operator::Operator,
    sender,
};

const TTL: Duration = Duration::from_secs(2);
const LINE: &str = "talkstick:{k}:line";

#[test]
fn who_is_kept_out_of_its_place_is_found() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let operator = Operator::at(&server);
    let recipe = |sender| Recipe {
        within: Vec::new(),
        url: server.url(),
        turns: 1,
        ttl: TTL,
        longest: TTL / 4,
        seed: SEED,
        special: (sender == 0).then_some((sender::UNTIL_TOLD, 0)),
    };
    let mut crowd = Crowd::gather(&[0, 1, 2].map(recipe));
    crowd.members[0].process.say("begin");
    crowd.until("the first holds", |members| !members[0].turns.is_empty());
    let mut tickets = Vec::new();
    for sender in [1, 2] {
        crowd.members[sender].process.say("begin");
        operator.until_in_line(1, &[crowd.members[sender].process.pid()]);
        tickets.push(server.tell(&["ZRANGE", LINE, "-1", "-1"]));
    }
    assert_eq!(server.tell(&["ZREM", LINE, &tickets[0]]), "1");
    crowd.members[0].process.say("let go");
    crowd.until("the last one holds", |members| !members[2].turns.is_empty());
    assert_eq!(server.tell(&["ZADD", LINE, "0", &tickets[0]]), "1");
    crowd.until_all_have_ended();
    let found = crowd.violations(Excuses { ttl: TTL, ..Excuses::default() });
    assert!(
        matches!(found[..], [Violation::Order(passed_over, other)] if (passed_over.sender, other.sender) == (1, 2)),
        "{found:#?}"
    );
}

/// With it a sender asks as `normal` and waits for as long as it takes.
const SEED: u64 = 0;
