//! The protocol of the line, with leases that end by the store's clock and handovers that must be taken up, explored in
//! every order of its steps and faults: as the Redis backend has it, around lock-core's own policy.
#![allow(clippy::print_stdout, reason = "a test says how much it has seen")]

mod client;
mod network;
mod promises;
mod protocol;
mod server;
mod state;

use lock_core::Priority::{self, Low, Normal, Urgent};
use promises::{EXCLUSION, FENCING, ORDER, PROGRESS};
use protocol::Protocol;
use state::Faults;
use stateright::{Checker, HasDiscoveries, Model};

/// A mistake that the model makes on purpose, to show that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The holder's deadline counts from the answer, and not from the sending of its request.
    DeadlineFromAnswer,
    /// A waiter that is woken acts, without having taken up the lease.
    OfferIsLease,
    /// A release looks at neither owner nor token.
    ReleaseOfAny,
    /// A waiter speaks only when it is woken.
    NoSweep,
    /// A token is the clock.
    TokenByClock,
    /// While the store is away, its waiters are silent.
    OutageIsSilence,
    /// A lease that was broken before its taker heard of it is had all the same.
    BrokenOfferIsTaken,
}

fn punctual(clients: &[Priority], faults: Faults) -> Protocol {
    Protocol { clients: clients.to_vec(), faults, punctual: true, renewals: 1, bug: None }
}

fn late(clients: &[Priority], faults: Faults) -> Protocol {
    Protocol { punctual: false, ..punctual(clients, faults) }
}

fn holds_everywhere(protocol: Protocol) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The shortest way to break the property, in steps.
fn steps_to_break(property: &'static str, protocol: Protocol) -> usize {
    let broken = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().threads(2).finish_when(broken).spawn_dfs().join();
    checker.discovery(property).unwrap_or_else(|| panic!("`{property}` holds")).into_actions().len()
}

const NONE: Faults = Faults { lost: 0, stops: 0, cancels: 0, breaks: 0, outages: 0, steps: 0, leaps: 0 };

#[test]
fn with_a_lost_message_and_a_stopped_client_a_live_head_is_granted_in_time() {
    holds_everywhere(punctual(&[Normal, Normal], Faults { lost: 1, stops: 1, ..NONE }));
}

#[test]
fn with_two_lost_messages_a_live_head_is_granted_in_time() {
    holds_everywhere(punctual(&[Normal, Normal], Faults { lost: 2, ..NONE }));
}

#[test]
fn a_cancelled_wait_and_a_clock_that_is_set_leave_the_next_one_granted_in_time() {
    holds_everywhere(punctual(&[Normal, Normal], Faults { cancels: 1, steps: 1, ..NONE }));
}

#[test]
fn three_of_different_priority_are_granted_in_time_and_none_is_passed_too_often() {
    holds_everywhere(Protocol { renewals: 0, ..punctual(&[Low, Normal, Urgent], NONE) });
}

/// A store that hangs or is down for longer than a waiter may be silent takes nobody's place away.
#[test]
fn an_outage_leaves_the_order_as_it_was_and_every_live_head_is_granted_in_time() {
    holds_everywhere(Protocol { renewals: 0, ..punctual(&[Normal; 3], Faults { outages: 1, ..NONE }) });
    holds_everywhere(punctual(&[Normal, Normal], Faults { outages: 1, cancels: 1, ..NONE }));
}

/// Offers, leases, and leases whose taker has not heard of them yet: whichever is broken, nobody acts beside another one, and
/// who waits has it in time.
#[test]
fn a_broken_lease_makes_no_second_holder_and_passes_on_in_time() {
    holds_everywhere(punctual(&[Normal, Normal], Faults { breaks: 1, lost: 1, ..NONE }));
    holds_everywhere(Protocol { renewals: 0, ..punctual(&[Normal; 3], Faults { breaks: 1, ..NONE }) });
    holds_everywhere(Protocol { renewals: 0, ..late(&[Normal, Normal], Faults { breaks: 1, ..NONE }) });
}

/// However late messages come: nobody acts under a lease that may be another one's.
#[test]
fn messages_that_come_late_make_no_second_holder() {
    holds_everywhere(late(&[Normal, Normal], NONE));
}

#[test]
fn each_mistake_that_is_made_on_purpose_is_found() {
    let lossy = punctual(&[Normal, Normal], Faults { lost: 1, ..NONE });
    let clock = punctual(&[Normal, Normal], Faults { steps: 1, ..NONE });
    let outage = Protocol { renewals: 0, ..punctual(&[Normal; 3], Faults { outages: 1, ..NONE }) };
    let broken = Protocol { renewals: 0, ..punctual(&[Normal; 3], Faults { breaks: 1, ..NONE }) };
    for (bug, property, protocol) in [
        (Bug::DeadlineFromAnswer, EXCLUSION, late(&[Normal, Normal], NONE)),
        (Bug::OfferIsLease, EXCLUSION, Protocol { renewals: 0, ..punctual(&[Normal; 3], NONE) }),
        (Bug::ReleaseOfAny, EXCLUSION, Protocol { renewals: 0, ..punctual(&[Normal; 3], Faults { stops: 1, ..NONE }) }),
        (Bug::NoSweep, PROGRESS, lossy),
        (Bug::TokenByClock, FENCING, clock),
        (Bug::OutageIsSilence, ORDER, outage),
        (Bug::BrokenOfferIsTaken, EXCLUSION, broken),
    ] {
        let steps = steps_to_break(property, Protocol { bug: Some(bug), ..protocol });
        println!("{bug:?} breaks `{property}` in {steps} steps");
    }
}

/// What the docs say of Redis: its leases end by its own clock, and if that leaps ahead there are two holders. Their tokens
/// tell them apart.
#[test]
fn a_leap_of_the_stores_clock_is_caught_by_the_token_alone() {
    let leap = punctual(&[Normal, Normal], Faults { leaps: 1, ..NONE });
    steps_to_break(EXCLUSION, leap.clone());
    let checker = leap.checker().threads(2).finish_when(HasDiscoveries::AnyOf([FENCING].into())).spawn_bfs().join();
    assert!(checker.discovery(FENCING).is_none());
}
