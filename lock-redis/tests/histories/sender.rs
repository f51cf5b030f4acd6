//! One sender: a process of its own, that asks for the lock again and again and says what it had.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lock_core::{
    AcquireOptions, DistributedLock, DistributedLockExt, Error, Guard, LockKey, Moment, Priority, Registry,
    StoreConfig, background, wall_clock_us,
};
use lock_redis::RedisLock;
use tests::probe::READY_WITHIN;

pub(crate) const URL: &str = "TALKSTICK_TEST_SENDER_URL";
pub(crate) const TURNS: &str = "TALKSTICK_TEST_SENDER_TURNS";
/// The lease of all senders, in milliseconds.
pub(crate) const TTL: &str = "TALKSTICK_TEST_SENDER_TTL";
/// The longest of its turns, in milliseconds.
pub(crate) const LONGEST: &str = "TALKSTICK_TEST_SENDER_LONGEST";
pub(crate) const SEED: &str = "TALKSTICK_TEST_SENDER_SEED";
/// The turn that is held until the lease is lost.
pub(crate) const UNTIL_LOST: &str = "TALKSTICK_TEST_SENDER_UNTIL_LOST";
/// The turn that is held until a line is read.
pub(crate) const UNTIL_TOLD: &str = "TALKSTICK_TEST_SENDER_UNTIL_TOLD";

/// How long a client waits for an answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// How long a turn is waited for: longer than all that is done to the server.
const PATIENCE: Duration = Duration::from_secs(50);
/// How often a held lease is checked.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A process that did not run for so long may have been taken for silent.
const STALL: Duration = Duration::from_millis(700);

/// What the client notes when a waiter bears that the server does not answer.
const STILL_WAITING: &str = "still waiting";

/// Numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// A span between the two, in milliseconds.
    pub(crate) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.roll(most - least + 1))
    }
}

/// Not a test of its own: what a crowd is made of.
#[test]
fn sender() {
    let Ok(url) = std::env::var(URL) else { return };
    // It may not be heard then, whatever the reason.
    tests::log_events::listen("lock_redis", "message", |text| {
        if text == STILL_WAITING {
            println!("AWAY {}", Moment::now().since_boot_ns());
        }
    });
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let lock = runtime.block_on(open(url));
    println!("\nREADY");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    std::thread::spawn(say_stalls);
    let mut dice = Dice(number(SEED).unwrap());
    let (ttl, longest) = (Duration::from_millis(number(TTL).unwrap()), number(LONGEST).unwrap());
    let special = (number(UNTIL_LOST), number(UNTIL_TOLD));
    runtime.block_on(async {
        for turn in 0..number(TURNS).unwrap() {
            let held = match special {
                (Some(lost), _) if lost == turn => Held::UntilLost,
                (_, Some(told)) if told == turn => Held::UntilTold,
                _ if dice.roll(10) == 0 => Held::For(dice.ms(100, longest)),
                _ => Held::For(dice.ms(0, 20)),
            };
            take_turn(&lock, &mut dice, ttl, held).await;
        }
    });
    println!("DONE");
}

async fn open(url: String) -> Arc<dyn DistributedLock> {
    let mut registry = Registry::new();
    RedisLock::register(&mut registry, |mut config| {
        config.timeout = ANSWER_WITHIN;
        Ok(config)
    });
    let deadline = Moment::now() + READY_WITHIN;
    loop {
        match registry.open(StoreConfig::new(url.clone(), "/")).await {
            Ok(lock) => return lock,
            // Many start at once, and nothing has begun yet.
            Err(error) => assert!(!deadline.is_past(), "{error}: {:?}", std::error::Error::source(&error)),
        }
    }
}

/// Says when this process has not run: stopped, or starved by others.
fn say_stalls() {
    let mut last = Moment::now();
    loop {
        std::thread::sleep(STALL / 10);
        let now = Moment::now();
        if now - last > STALL {
            println!("STALL {} {}", last.since_boot_ns(), now.since_boot_ns());
        }
        last = now;
    }
}

#[derive(Debug, Clone, Copy)]
enum Held {
    For(Duration),
    UntilLost,
    UntilTold,
}

async fn take_turn(lock: &Arc<dyn DistributedLock>, dice: &mut Dice, ttl: Duration, held: Held) {
    let key = LockKey::new("k").unwrap();
    let class = [2, 2, 2, 2, 0, 3][usize::try_from(dice.roll(6)).unwrap()];
    let priority = [Priority::Urgent, Priority::High, Priority::Normal, Priority::Low][class];
    // Some give up soon: what leaves the line must not disturb it.
    let timeout = match held {
        Held::For(_) if dice.roll(8) == 0 => dice.ms(0, 60),
        _ => PATIENCE,
    };
    let options = AcquireOptions::default().ttl(ttl).timeout(timeout).priority(priority);
    let until = Moment::now() + PATIENCE;
    let mut pause = Duration::from_millis(20);
    loop {
        let asked = Moment::now();
        match lock.acquire(&key, &options).await {
            Ok(guard) => return hold(guard, class, asked, held).await,
            Err(Error::TimedOut { .. }) if timeout < PATIENCE => return,
            // The server is away: nothing is held, and nothing tells of its return.
            Err(error @ Error::Store { .. }) if !until.is_past() => eprintln!("{error}"),
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
        background::sleep_until(Moment::now() + pause).await.unwrap();
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}

async fn hold(guard: Guard, class: usize, asked: Moment, held: Held) {
    let since = Moment::now();
    if guard.check().is_err() {
        return;
    }
    println!("WALL {}", wall_clock_us());
    println!(
        "GRANTED {class} {} {} {} {}",
        guard.lease().ticket,
        guard.token().0,
        asked.since_boot_ns(),
        since.since_boot_ns()
    );
    let told = Arc::new(AtomicU64::new(0));
    if matches!(held, Held::UntilTold) {
        let told = Arc::clone(&told);
        std::thread::spawn(move || {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            told.store(1, Ordering::SeqCst);
        });
    }
    loop {
        // Before the check: the lease was valid then, whatever happens between the two.
        let now = Moment::now();
        if guard.check().is_err() {
            break;
        }
        println!("HELD {}", now.since_boot_ns());
        let enough = match held {
            Held::For(span) => now - since >= span,
            Held::UntilTold => told.load(Ordering::SeqCst) == 1,
            Held::UntilLost => false,
        };
        if enough {
            break;
        }
        background::sleep_until(now + LOOK_EVERY).await.unwrap();
    }
    println!("WALL {}", wall_clock_us());
    // The server may be away: the lease ends by itself then.
    if let Err(error) = guard.release().await {
        eprintln!("{error}");
    }
}
