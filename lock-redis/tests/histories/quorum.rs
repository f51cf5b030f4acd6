//! Senders on a quorum of three servers, under random faults: servers that hang or are cut off, one of them that loses its
//! data again and again, senders that are stopped or killed. Nobody may hold beside another one, whatever happens; no order
//! is promised.
//!
//! ```text
//! TALKSTICK_TEST_RUNS=100 cargo test -p lock-redis --test histories quorum:: -- --nocapture
//! TALKSTICK_TEST_RUNS=1 TALKSTICK_TEST_SEED=4711 cargo test -p lock-redis --test histories quorum::
//! ```

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey, Moment, wall_clock_us};
use lock_redis::{QuorumLock, RedisConfig};
use tests::{proxy::Proxy, redis_quorum::RedisQuorum, require};

use crate::{
    crowd::{Crowd, Recipe},
    history::{Excuses, Span},
    network_fault::NetworkFault,
    sender::Dice,
};

const RUNS: u64 = 4;
/// Schedules beside each other: they mostly wait.
const AT_ONCE: u64 = 4;
const SERVERS: usize = 3;
const SENDERS: usize = 6;
const TURNS: u64 = 6;

/// Three servers, networks to them for every second sender, and the senders.
struct Site {
    quorum: RedisQuorum,
    networks: Vec<Proxy>,
    crowd: Crowd,
    /// The one that loses its data.
    forgetful: usize,
    ttl: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Without persistence: it comes back empty.
    Restart(usize),
    Flush(usize),
    Hang(usize),
    Network(usize, NetworkFault),
    KillSender(usize),
    StopSender(usize),
}

impl Site {
    fn open(dice: &mut Dice) -> Self {
        let mut quorum = RedisQuorum::start_old(SERVERS, &[]);
        let networks: Vec<Proxy> = (0..SERVERS).map(|at| Proxy::to(&quorum.server(at).socket())).collect();
        let places: Vec<String> = networks.iter().map(|network| format!("127.0.0.1:{}", network.port())).collect();
        let urls = [quorum.url(), format!("redis+quorum://{}", places.join(","))];
        let ttl = Duration::from_millis([300, 1000, 2000][below(dice, 3)]);
        let recipe = |sender: usize| Recipe {
            within: Vec::new(),
            url: urls[sender % 2].clone(),
            turns: TURNS,
            ttl,
            // Beyond the lease of who is cut off meanwhile.
            longest: ttl + Duration::from_secs(1),
            seed: dice.roll(u64::MAX),
            special: None,
        };
        let recipes: Vec<Recipe> = (0..SENDERS).map(recipe).collect();
        let crowd = Crowd::gather(&recipes);
        Self { quorum, networks, crowd, forgetful: below(dice, SERVERS), ttl }
    }

    fn random_fault(&self, dice: &mut Dice) -> Fault {
        let at = below(dice, SERVERS);
        match dice.roll(11) {
            0 => Fault::Restart(self.forgetful),
            1 => Fault::Flush(self.forgetful),
            2 => Fault::Hang(at),
            3 => Fault::Network(at, NetworkFault::Delay(dice.ms(1, 60))),
            4 => Fault::Network(at, NetworkFault::DropRequests),
            5 => Fault::Network(at, NetworkFault::DropReplies),
            6 => Fault::Network(at, NetworkFault::Partition),
            7 => Fault::Network(at, NetworkFault::Reset),
            8 => Fault::Network(at, NetworkFault::CutReplies(below(dice, 60))),
            9 => Fault::KillSender(below(dice, SENDERS)),
            _ => Fault::StopSender(below(dice, SENDERS)),
        }
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Restart(at) => self.quorum.server(at).kill(),
            Fault::Flush(at) => assert_eq!(self.quorum.server(at).tell(&["FLUSHALL"]), "OK"),
            Fault::Hang(at) => self.quorum.server(at).process().stop(),
            Fault::Network(at, fault) => fault.begin(&self.networks[at]),
            Fault::KillSender(sender) => {
                let member = &mut self.crowd.members[sender];
                member.killed = true;
                member.process.kill();
            }
            Fault::StopSender(sender) => _ = self.crowd.members[sender].process.stop_if_it_runs(),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Restart(at) => self.quorum.server(at).start_again(),
            Fault::Hang(at) => self.quorum.server(at).process().go_on(),
            Fault::Network(at, fault) => fault.end(&self.networks[at]),
            Fault::StopSender(sender) => _ = self.crowd.members[sender].process.go_on_if_it_runs(),
            Fault::Flush(_) | Fault::KillSender(_) => {}
        }
    }

    /// Two faults at a time, which may concern two servers: then nobody may be granted anything for a while.
    fn disturb(&mut self, dice: &mut Dice) {
        for _ in 0..2 + dice.roll(3) {
            let (one, other) = (self.random_fault(dice), self.random_fault(dice));
            let faults =
                if one.server().is_some() && one.server() == other.server() { vec![one] } else { vec![one, other] };
            println!("{} {faults:?}", Moment::now().since_boot_ns());
            faults.iter().for_each(|fault| self.begin(*fault));
            std::thread::sleep(dice.ms(20, 2500));
            faults.iter().for_each(|fault| self.end(*fault));
            std::thread::sleep(dice.ms(20, 600));
        }
    }

    /// Whatever is left of those that were killed: the lock is had once more.
    fn token_at_the_end(&self) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let lock = QuorumLock::open(RedisConfig::parse(&self.quorum.url()).unwrap()).await.unwrap();
            let lock: Arc<dyn DistributedLock> = Arc::new(lock);
            let options = AcquireOptions::default().timeout(Duration::from_secs(40));
            let guard = lock.acquire(&LockKey::new("k").unwrap(), &options).await.unwrap();
            let token = guard.token().0;
            guard.release().await.unwrap();
            token
        })
    }
}

impl Fault {
    /// Which server, or the network to it, is concerned.
    const fn server(self) -> Option<usize> {
        match self {
            Self::Restart(at) | Self::Flush(at) | Self::Hang(at) | Self::Network(at, _) => Some(at),
            Self::KillSender(_) | Self::StopSender(_) => None,
        }
    }
}

fn below(dice: &mut Dice, count: usize) -> usize {
    usize::try_from(dice.roll(count as u64)).unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn no_fault_of_a_minority_lets_two_hold() {
    require!("redis-server", "redis-cli");
    let runs = number("TALKSTICK_TEST_RUNS", RUNS);
    let first = number("TALKSTICK_TEST_SEED", wall_clock_us());
    println!("{runs} schedules from seed {first} on");
    let mut turns = 0;
    for begun in (0..runs).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let seeds = (begun..runs.min(begun + AT_ONCE)).map(|number| first + number);
        turns += std::thread::scope(|scope| {
            let running: Vec<_> = seeds.map(|seed| scope.spawn(move || run(seed))).collect();
            running.into_iter().map(|run| run.join().unwrap()).sum::<usize>()
        });
    }
    println!("{turns} turns in {runs} schedules");
}

/// One schedule; gives how many turns its senders had.
fn run(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let mut site = Site::open(&mut dice);
    site.crowd.begin(None);
    site.disturb(&mut dice);
    site.crowd.until_all_have_ended();
    let always = Span { from: Moment::from_since_boot_ns(0), to: Moment::from_since_boot_ns(u64::MAX) };
    let no_order = (0..SENDERS).map(|sender| (sender, always)).collect();
    let found = site.crowd.violations(Excuses { silences: no_order, ttl: site.ttl, ..Excuses::default() });
    assert!(found.is_empty(), "seed {seed}: {} violations: {found:#?}", found.len());
    let turns = site.crowd.turns();
    let last = turns.iter().map(|turn| turn.token).max().unwrap_or(0);
    assert!(site.token_at_the_end() > last, "seed {seed}: the last token was {last}");
    turns.len()
}
