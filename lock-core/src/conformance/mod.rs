//! The conformance suite: every MUST of the lock contract is a case, for any backend.
//!
//! A backend implements [`Harness`] and writes `lock_core::conformance!(MyHarness);` in a file of its tests: that makes
//! one reported test of every case, so none can be forgotten. Each case gets a fresh store. Cases that need more than the
//! backend declares in its [`Capabilities`](crate::Capabilities) are skipped loudly; how many is part of the harness and
//! is asserted.
//!
//! Crash cases need other processes: the suite starts its own test binary again as holder or waiter, and kills it.

pub mod cancel;
pub mod cas;
pub mod crash;
pub mod exclusion;
pub mod fencing;
mod fixture;
mod harness;
mod long_line;
pub mod loss;
pub mod order;
mod process;
pub mod reentry;
mod request;
pub mod say_who;

pub use fixture::Fixture;
pub use harness::{Harness, Needs, opened};
pub use long_line::a_long_line_is_granted_in_order;
pub use process::{PROCESS_VARIABLE, process};
pub use request::request;

/// Every case: its obligation, what it needs, and its code. One list, from which tests and counts are made.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($callback:ident, $harness:ty) => {
        $crate::$callback! { $harness;
            exclusion {
                between_tasks: Anything;
                between_threads: Anything;
                between_processes: Processes;
                keys_that_differ_do_not_exclude: Anything;
                the_lock_is_not_reentrant: Anything;
                works_as_dyn_from_two_clients: Anything;
            }
            fencing {
                tokens_grow_through_release: Anything;
                tokens_grow_through_a_crash: Processes;
                tokens_respect_the_clients_floor: Anything;
                tokens_grow_through_loss_of_the_stores_data: DataLoss;
                the_token_comes_with_the_grant: Anything;
            }
            order {
                first_come_first_served: Order;
                first_come_first_served_between_processes: OrderedProcesses;
                higher_priority_first: Order;
                a_passed_ticket_ages: Order;
                a_newcomer_does_not_barge: Order;
                who_comes_back_stands_where_it_stood: Order;
                who_comes_back_to_a_free_lock_holds_at_once: Order;
                a_place_is_never_shared: Order;
                handover_is_by_event: Anything;
            }
            crash {
                a_killed_holder_costs_at_most_50_ms: DeathProof;
                a_killed_head_of_the_line_is_skipped: DeathProof;
                a_killed_waiter_in_the_middle_is_skipped: DeathProof;
                a_stopped_head_is_passed_over_and_keeps_its_place: DeathProof;
                a_dead_holder_is_never_shown: DeathProof;
            }
            cancel {
                a_dropped_wait_leaves_nothing: Anything;
                at_every_await_point: Anything;
                with_the_grant_in_flight: Anything;
                a_timeout_leaves_nothing: Anything;
            }
            loss {
                a_broken_lease_is_signalled: Anything;
                asked_late_the_loss_is_still_told: Anything;
                a_release_is_no_loss: Anything;
                the_deadline_comes_before_the_lease_can_end: Expiry;
                a_store_that_is_gone_is_told: DataLoss;
                unknown_is_not_free: DataLoss;
            }
            cas {
                release_is_idempotent: Anything;
                a_stale_release_does_not_free_the_successor: Anything;
                break_needs_the_exact_token: Anything;
                a_broken_lease_is_passed_on_when_its_holder_lets_go: Anything;
                drop_releases: Anything;
                drop_releases_while_the_runtime_is_busy: Anything;
                drop_releases_outside_a_runtime: Anything;
            }
            reentry {
                an_inheritor_works_under_the_lease: Anything;
                inheritors_exclude_each_other: Anything;
                a_stale_secret_gives_no_right: Anything;
                a_token_proves_nothing: Anything;
                release_waits_for_inheritors: Anything;
                loss_reaches_inheritors: Anything;
                an_inheritor_believes_no_longer_than_its_parent_lasts: Expiry;
            }
            say_who {
                a_timeout_names_holder_queue_and_setting: Anything;
                inspect_shows_the_queue_in_order: Order;
            }
        }
    };
}

/// Makes the tests. `$harness` is the type that implements [`Harness`].
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::conformance_cases! { conformance_tests, $harness }

        /// Not a case: what the crash cases start again as another process.
        #[test]
        fn conformance_process() {
            $crate::conformance::process::<$harness>();
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($harness:ty; $($obligation:ident { $($case:ident : $needs:ident;)* })*) => {
        $(
            mod $obligation {
                #[allow(unused_imports, reason = "the harness may be named by a path from anywhere")]
                use super::*;

                $(
                    #[test]
                    fn $case() {
                        use $crate::conformance::{self, Fixture, Needs};
                        let name = concat!(stringify!($obligation), "::", stringify!($case));
                        Fixture::<$harness>::run(module_path!(), name, Needs::$needs, |fixture| {
                            Box::pin(async move { conformance::$obligation::$case(&fixture).await })
                        });
                    }
                )*
            }
        )*

        #[test]
        fn skipped_cases_are_as_declared() {
            let needs = [$($($crate::conformance::Needs::$needs),*),*];
            $crate::conformance::Fixture::<$harness>::assert_skipped(&needs);
        }
    };
}
