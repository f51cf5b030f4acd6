//! Random schedules in which the lock itself goes elsewhere: to the replica of a master that was killed, named by a Sentinel, or
//! with its slot from one master of a Cluster to another, again and again. Seeds as in `schedules`:
//!
//! ```text
//! TALKSTICK_TEST_RUNS=100 cargo test -p lock-redis --test histories moving:: -- --nocapture
//! ```

use std::{fmt::Write as _, time::Duration};

use lock_core::Moment;
use tests::{redis_cluster::RedisCluster, redis_failover::RedisFailover, require, wall_clock::WallClock};

use crate::{
    crowd::{Crowd, Recipe},
    history::{Excuses, Span},
    runner::{judge, run_all},
    sender::Dice,
};

const RUNS: u64 = 3;
/// Schedules beside each other.
const AT_ONCE: usize = 3;
const SENDERS: usize = 5;
const TURNS: u64 = 8;
const MASTERS: usize = 3;
const HOUR: i64 = 3600;
/// The lock's hash tag: what names its slot.
const TAG: &str = "{k}";

/// Where the lock is.
enum Store {
    Sentinel(Box<RedisFailover>),
    Cluster(RedisCluster),
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Elsewhere with the lock.
    Move(usize),
    KillSender(usize),
    StopSender(usize),
    SetClock(usize, i64),
}

struct Site {
    store: Store,
    clocks: Vec<WallClock>,
    crowd: Crowd,
    excuses: Excuses,
    moved: bool,
}

impl Store {
    fn url(&self) -> String {
        match self {
            Self::Sentinel(site) => site.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }
}

impl Site {
    fn open(store: Store, dice: &mut Dice) -> Self {
        let ttl = Duration::from_millis([300, 1000, 5000][below(dice, 3)]);
        let clocks: Vec<WallClock> = (0..SENDERS).map(|_| WallClock::right()).collect();
        let recipes = clocks.iter().map(|clock| Recipe {
            within: clock.run(),
            url: store.url(),
            turns: TURNS,
            ttl,
            longest: Duration::from_secs(1),
            seed: dice.roll(u64::MAX),
            special: None,
        });
        let recipes: Vec<Recipe> = recipes.collect();
        let crowd = Crowd::gather(&recipes);
        Self { store, clocks, crowd, excuses: Excuses { ttl, ..Excuses::default() }, moved: false }
    }

    fn do_it(&mut self, fault: Fault, span: Duration) {
        let began = Moment::now();
        match fault {
            Fault::Move(by) => self.go_elsewhere(by),
            Fault::KillSender(sender) => {
                self.crowd.members[sender].killed = true;
                self.crowd.members[sender].process.kill();
            }
            Fault::StopSender(sender) if self.crowd.members[sender].process.stop_if_it_runs() => {
                std::thread::sleep(span);
                self.crowd.members[sender].process.go_on();
                self.excuses.silences.push((sender, Span { from: began, to: Moment::now() }));
            }
            Fault::StopSender(_) => {}
            Fault::SetClock(sender, seconds_ahead) => self.clocks[sender].set(seconds_ahead),
        }
    }

    /// A master dies once, and what its replica has not heard of is lost. A slot moves whole.
    fn go_elsewhere(&mut self, by: usize) {
        match &mut self.store {
            Store::Sentinel(site) if !self.moved => {
                let from = Moment::now();
                site.fail_over();
                self.excuses.losses.push(Span { from, to: Moment::now() });
                self.moved = true;
            }
            Store::Sentinel(_) => {}
            Store::Cluster(cluster) => {
                let slot = cluster.slot_of(TAG);
                let to = (cluster.keeper_of(slot) + 1 + by % (MASTERS - 1)) % MASTERS;
                cluster.begin_move(slot, to);
                cluster.carry(slot, to);
                cluster.end_move(slot, to);
            }
        }
    }
}

fn below(dice: &mut Dice, count: usize) -> usize {
    usize::try_from(dice.roll(count as u64)).unwrap()
}

fn random(dice: &mut Dice) -> Fault {
    let sender = below(dice, SENDERS);
    match dice.roll(6) {
        0..3 => Fault::Move(sender),
        3 => Fault::KillSender(sender),
        4 => Fault::StopSender(sender),
        _ => Fault::SetClock(sender, dice.roll(40).cast_signed() * HOUR - 20 * HOUR),
    }
}

/// One schedule; gives how many turns its senders had.
fn run(store: Store, seed: u64, log: &mut String) -> usize {
    let mut dice = Dice(seed);
    let mut site = Site::open(store, &mut dice);
    site.crowd.begin(None);
    for _ in 0..4 + dice.roll(4) {
        let (fault, span) = (random(&mut dice), dice.ms(20, 1500));
        writeln!(log, "{} {fault:?}", Moment::now().since_boot_ns()).unwrap();
        site.do_it(fault, span);
        std::thread::sleep(dice.ms(20, 300));
    }
    site.crowd.until_all_have_ended();
    judge(seed, &site.crowd, &site.excuses, &site.store.url(), log)
}

#[test]
fn no_failover_among_other_faults_breaks_the_contract() {
    require!("redis-server", "redis-cli", "cc");
    run_all(RUNS, AT_ONCE, |seed, log| run(Store::Sentinel(Box::new(RedisFailover::start())), seed, log));
}

#[test]
fn no_move_of_a_slot_among_other_faults_breaks_the_contract() {
    require!("redis-server", "redis-cli", "cc");
    run_all(RUNS, AT_ONCE, |seed, log| {
        let cluster = RedisCluster::start(MASTERS, &["--cluster-node-timeout", "30000"]);
        run(Store::Cluster(cluster), seed, log)
    });
}
