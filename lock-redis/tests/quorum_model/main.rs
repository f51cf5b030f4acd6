//! How a quorum votes, in every order of its steps and faults: what the head of `src/quorum/mod.rs` argues, explored.
//!
//! With `TALKSTICK_TEST_MODEL=wide` also what takes minutes and gigabytes: more faults at once. In a release build:
//! `TALKSTICK_TEST_MODEL=wide cargo test --release -p lock-redis --test quorum_model -- --nocapture --test-threads 1`
#![allow(clippy::print_stdout, reason = "a test says how much it has seen")]

mod client;
mod protocol;
mod round;
mod server;

use protocol::{Faults, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// A mistake that the model makes on purpose, to show that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// One server is enough.
    MinorityCounts,
    /// Votes that are too few are kept until they end by themselves.
    VoteKept,
    /// All keep such votes for as long, whichever server's they are.
    EquallyPatient,
    /// A lease leaves its token nowhere, and lower ones are taken after it.
    TokenNotRaised,
    /// A server that may have forgotten a lease is part of a majority.
    YoungCounts,
    /// The deadline counts from the answers, and not from the sending of the calls.
    DeadlineFromAnswer,
    /// What is given back, so as to ask again, is whatever the request has when that call comes.
    GiveBackOfAny,
}

const NONE: Faults =
    Faults { late: 0, stalls: 0, crashes: 0, cancels: 0, outages: 0, losses: 0, leaps: 0, renewals: 0 };

/// Two clients; somebody holds within three ticks, the longest time that votes are kept for.
fn two(faults: Faults) -> Protocol {
    Protocol { clients: 2, faults, ttl: 5, vote: 5, starts_old: true, free_max: 3, bug: None }
}

/// Shorter times, for what is about them and not about who is granted when: a young server with another one away is no majority
/// for twelve ticks at most.
fn short(faults: Faults) -> Protocol {
    Protocol { ttl: 3, vote: 4, free_max: 12, ..two(faults) }
}

fn holds_everywhere(protocol: Protocol) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn is_wide() -> bool {
    std::env::var("TALKSTICK_TEST_MODEL").is_ok_and(|model| model == "wide")
}

#[test]
fn one_of_three_away_keeps_nobody_from_the_lock() {
    holds_everywhere(two(Faults { outages: 1, ..NONE }));
    holds_everywhere(Protocol { starts_old: false, ..two(NONE) });
}

/// With a server away, too, a vote that is given back may be a third one's, and then it is chance that ends it: how long each
/// keeps its votes. Of chance a model of all orders knows nothing.
#[test]
fn of_three_somebody_is_granted_in_time() {
    holds_everywhere(Protocol { clients: 3, free_max: 2, ..two(NONE) });
}

#[test]
fn a_message_that_is_lost_or_comes_late_lets_nobody_in() {
    holds_everywhere(two(Faults { late: 1, renewals: 1, ..NONE }));
    if is_wide() {
        holds_everywhere(short(Faults { late: 2, ..NONE }));
        holds_everywhere(short(Faults { late: 1, outages: 1, ..NONE }));
    }
}

/// Stopped for longer than a vote, or a lease, may last, at any point.
#[test]
fn a_client_that_is_stopped_lets_go_in_time() {
    holds_everywhere(short(Faults { stalls: 2, renewals: 1, ..NONE }));
    if is_wide() {
        holds_everywhere(short(Faults { stalls: 4, ..NONE }));
    }
}

/// A dead one costs its lease, or its vote, and the others go on.
#[test]
fn a_client_that_dies_or_gives_up_leaves_nothing_behind() {
    holds_everywhere(Protocol { free_max: 6, ..two(Faults { crashes: 1, cancels: 1, renewals: 1, ..NONE }) });
    holds_everywhere(Protocol { free_max: 6, ..two(Faults { cancels: 1, late: 1, ..NONE }) });
}

#[test]
fn a_server_that_loses_its_data_lets_nobody_in() {
    holds_everywhere(short(Faults { losses: 1, renewals: 1, ..NONE }));
    if is_wide() {
        holds_everywhere(short(Faults { losses: 1, outages: 1, ..NONE }));
        holds_everywhere(short(Faults { losses: 1, late: 1, renewals: 1, ..NONE }));
    }
}

#[test]
fn a_clock_that_leaps_when_all_servers_have_the_lease_lets_nobody_in() {
    holds_everywhere(two(Faults { leaps: 1, renewals: 1, ..NONE }));
}

#[test]
fn each_mistake_that_is_made_on_purpose_is_found() {
    let (exclusion, tokens, time) = ("at most one valid holder", "tokens grow", "somebody is granted in time");
    let away = two(Faults { outages: 1, ..NONE });
    for (bug, property, protocol) in [
        (Bug::MinorityCounts, exclusion, two(NONE)),
        (Bug::VoteKept, time, away.clone()),
        (Bug::EquallyPatient, time, Protocol { free_max: 12, ..away }),
        (Bug::TokenNotRaised, tokens, short(Faults { outages: 1, crashes: 1, ..NONE })),
        (Bug::YoungCounts, exclusion, short(Faults { losses: 1, late: 1, ..NONE })),
        (Bug::DeadlineFromAnswer, exclusion, short(Faults { stalls: 3, ..NONE })),
        (Bug::GiveBackOfAny, exclusion, short(Faults { outages: 1, late: 1, ..NONE })),
    ] {
        let broken = HasDiscoveries::AnyOf([property].into());
        let model = Protocol { bug: Some(bug), ..protocol };
        let checker = model.checker().threads(2).finish_when(broken).spawn_dfs().join();
        let path = checker.discovery(property).unwrap_or_else(|| panic!("{bug:?}: `{property}` holds"));
        println!("{bug:?} breaks `{property}` in {} steps", path.into_actions().len());
    }
}
