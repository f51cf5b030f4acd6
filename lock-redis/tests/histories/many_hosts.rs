//! Three hosts with their own addresses around one server: 24 senders, a holder and waiters that are cut off, and healed.

use std::time::Duration;

use lock_core::Moment;
use tests::{hosts::Hosts, redis_server::RedisServer, require, require_hosts};

use crate::{
    crowd::{Crowd, Member, Recipe},
    history::{Excuses, Span},
    operator::Operator,
    sender,
};

const HOSTS: u8 = 3;
const SENDERS_A_HOST: usize = 8;
const TURNS: u64 = 5;
const TTL: Duration = Duration::from_secs(2);
const PORT: &str = "6379";
/// Its holder is cut off.
const FIRST: u8 = 0;
/// Its waiters are cut off.
const SECOND: u8 = 1;
/// Its holder lets go meanwhile.
const THIRD: u8 = 2;

/// Senders are numbered host by host; the first one of a host holds when its host is dealt with.
const fn first_of(host: u8) -> usize {
    host as usize * SENDERS_A_HOST
}

fn host_of(sender: usize) -> u8 {
    u8::try_from(sender / SENDERS_A_HOST).unwrap()
}

fn crowd(hosts: &Hosts) -> Crowd {
    let recipe = |sender| Recipe {
        within: hosts.on(host_of(sender)),
        url: format!("redis://{}:{PORT}", Hosts::SWITCH),
        turns: TURNS,
        ttl: TTL,
        longest: TTL / 4,
        seed: sender as u64,
        special: match sender {
            _ if sender == first_of(FIRST) => Some((sender::UNTIL_LOST, 0)),
            _ if sender == first_of(THIRD) => Some((sender::UNTIL_TOLD, 1)),
            _ => None,
        },
    };
    let recipes: Vec<Recipe> = (0..usize::from(HOSTS) * SENDERS_A_HOST).map(recipe).collect();
    Crowd::gather(&recipes)
}

fn pids(crowd: &Crowd, host: u8) -> Vec<u32> {
    let its = crowd.members.iter().enumerate().filter(|(number, _)| host_of(*number) == host);
    its.map(|(_, member)| member.process.pid()).collect()
}

fn grants_to_others(members: &[Member], host: u8, after: u64) -> usize {
    let others = members.iter().enumerate().filter(|(number, _)| host_of(*number) != host);
    others.flat_map(|(_, member)| &member.turns).filter(|turn| turn.token > after).count()
}

/// Cuts a host off until others were granted the lock `grants` times after `token`; gives the silence of all on that host.
fn cut_off(
    crowd: &mut Crowd,
    (host, token, grants): (u8, u64, usize),
    cut: impl FnOnce(&mut Crowd),
    heal: impl FnOnce(),
) -> Vec<(usize, Span)> {
    let from = Moment::now();
    cut(crowd);
    crowd.until("others go on", |members| grants_to_others(members, host, token) >= grants);
    heal();
    let span = Span { from, to: Moment::now() };
    (first_of(host)..first_of(host) + SENDERS_A_HOST).map(|sender| (sender, span)).collect()
}

#[test]
fn partitions_of_a_holder_and_of_waiters_break_nothing() {
    require!("redis-server", "redis-cli", "ip");
    require_hosts!();
    let hosts = Hosts::new(HOSTS);
    let server = RedisServer::start_within(hosts.on_switch(), &["--port", PORT, "--protected-mode", "no"]);
    let operator = Operator::at(&server);
    let mut crowd = crowd(&hosts);
    let holder = first_of(FIRST);
    crowd.members[holder].process.say("begin");
    crowd.until("the first host holds", |members| !members[holder].turns.is_empty());
    let token = crowd.members[holder].turns[0].token;
    crowd.begin(Some(holder));
    operator.until_in_line(SENDERS_A_HOST - 1, &pids(&crowd, FIRST));
    operator.until_in_line(1, &pids(&crowd, THIRD));
    // The third host may come to hold until told: no more than one grant is certain.
    let mut silences = cut_off(&mut crowd, (FIRST, token, 1), |_| hosts.take_down(FIRST), || hosts.bring_up(FIRST));

    let holder = first_of(THIRD);
    crowd.until("the third host holds", |members| members[holder].turns.len() == 2);
    let token = crowd.members[holder].turns[1].token;
    operator.until_in_line(1, &pids(&crowd, SECOND));
    let let_go = |crowd: &mut Crowd| {
        hosts.unplug(SECOND);
        crowd.members[holder].process.say("let go");
    };
    silences.extend(cut_off(&mut crowd, (SECOND, token, SENDERS_A_HOST), let_go, || hosts.plug_in(SECOND)));

    crowd.until_all_have_ended();
    let excuses = Excuses { silences, ttl: TTL, ..Excuses::default() };
    let found = crowd.violations(excuses);
    assert!(found.is_empty(), "{} violations: {found:#?}", found.len());
    for host in 0..HOSTS {
        let turns = crowd.turns().iter().filter(|turn| host_of(turn.sender) == host).count();
        assert!(turns > SENDERS_A_HOST, "host {host} had {turns} turns");
    }
    let state = operator.state();
    assert!(state.queue.is_empty(), "{state:?}");
}
