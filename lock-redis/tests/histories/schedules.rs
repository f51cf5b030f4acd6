//! Random schedules of faults, each named by its seed. The ordinary run takes 20 of them, and each run takes other ones. The
//! full form, and one of them again (the faults are the same then; what they meet is up to the machine):
//!
//! ```text
//! TALKSTICK_TEST_RUNS=1000 cargo test -p lock-redis --test histories schedules:: -- --nocapture
//! TALKSTICK_TEST_RUNS=1 TALKSTICK_TEST_SEED=4711 cargo test -p lock-redis --test histories schedules::
//! ```

use std::fmt::Write as _;

use lock_core::Moment;
use tests::require;

use crate::{
    fault::{Fault, Site},
    runner::{judge, run_all},
    sender::Dice,
};

const RUNS: u64 = 20;
/// Schedules beside each other: they mostly wait.
const AT_ONCE: usize = 14;

/// A fault that is not yet undone.
struct UnderWay {
    fault: Fault,
    began: Moment,
    until: Moment,
}

#[test]
fn no_schedule_of_faults_breaks_the_contract() {
    require!("redis-server", "redis-cli", "cc");
    run_all(RUNS, AT_ONCE, run);
}

/// One schedule; gives how many turns its senders had.
fn run(seed: u64, log: &mut String) -> usize {
    let mut dice = Dice(seed);
    let mut site = Site::open(&mut dice);
    site.crowd.begin(None);
    disturb(&mut site, &mut dice, log);
    site.crowd.until_all_have_ended();
    judge(seed, &site.crowd, &site.excuses, &site.server.url(), log)
}

fn disturb(site: &mut Site, dice: &mut Dice, log: &mut String) {
    let mut under_way: Vec<UnderWay> = Vec::new();
    for _ in 0..3 + dice.roll(4) {
        let (fault, span) = (Fault::random(dice), dice.ms(20, 2500));
        if under_way.iter().all(|other| other.fault.subject() != fault.subject()) {
            let began = Moment::now();
            writeln!(log, "{} {fault:?} for {span:?}", began.since_boot_ns()).unwrap();
            site.begin(fault, span);
            under_way.push(UnderWay { fault, began, until: began + span });
        }
        let pause = Moment::now() + dice.ms(20, 600);
        undo(site, &mut under_way, pause);
        std::thread::sleep(pause.remaining());
    }
    let end = under_way.iter().map(|fault| fault.until).max().unwrap_or_else(Moment::now);
    undo(site, &mut under_way, end);
}

/// Undoes in its time what is to be undone until then.
fn undo(site: &mut Site, under_way: &mut Vec<UnderWay>, until: Moment) {
    under_way.sort_unstable_by_key(|fault| fault.until);
    let over = under_way.iter().take_while(|fault| fault.until <= until).count();
    for UnderWay { fault, began, until } in under_way.drain(..over) {
        std::thread::sleep(until.remaining());
        site.end(fault, began);
    }
}
