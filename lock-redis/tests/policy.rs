//! The Lua policy is lock-core's: held to it over many random lines, on a real server.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use lock_core::{
    Priority,
    queue::{self, PASSED_MAX, Standing},
};
use redis::Connection;
use tests::{redis_server::RedisServer, require};

/// Random lines that are tried.
const LINES: usize = 1500;

/// The line in KEYS, from ARGV: class, number and passes of each ticket. Requests are the place in ARGV, so all differ.
const LINE: &str = "
redis.call('DEL', unpack(KEYS))
local classes, numbers = {}, {}
local function stand(line)
  for at = 1, #line, 3 do
    local class, number, passed, request = tonumber(line[at]), tonumber(line[at + 1]), tonumber(line[at + 2]),
      string.format('%x', (at - 1) / 3)
    classes[request], numbers[request] = class, number
    redis.call('ZADD', LINE, 0, member(class, number, request))
    redis.call('ZADD', PASSED, passed, request)
    if passed >= PASSED_MAX then redis.call('ZADD', AGED, 0, aged(class, number, request)) end
  end
end
";

/// The order of granting, and the place of each.
const ORDER: &str = "
stand(ARGV)
local stand_at, order, ahead = {}, {}, places()
for at = 0, #ARGV / 3 - 1 do
  local request = string.format('%x', at)
  stand_at[at + 1] = ahead(classes[request], numbers[request], request)
end
local first = next_in_line()
while first do
  order[#order + 1] = first
  redis.call('ZREM', LINE, member(classes[first], numbers[first], first))
  redis.call('ZREM', AGED, aged(classes[first], numbers[first], first))
  first = next_in_line()
end
return { order, stand_at }
";

/// The passes of each after a grant to the number in front.
const PASS: &str = "
local granted = table.remove(ARGV, 1)
stand(ARGV)
pass_by(tonumber(granted))
local passed = {}
for at = 0, #ARGV / 3 - 1 do
  passed[at + 1] = tonumber(redis.call('ZSCORE', PASSED, string.format('%x', at)))
end
return { passed, redis.call('ZCARD', AGED) }
";

/// The number that a request gets: what it comes back with, the next, and the holder's stand in front.
const NUMBER: &str = "
local back, next, holders = table.remove(ARGV, 1), table.remove(ARGV, 1), table.remove(ARGV, 1)
stand(ARGV)
return string.format('%.0f', number_of(back, tonumber(next), tonumber(holders)))
";

/// The places of ten, in the line as it stands.
const TEN_PLACES: &str = "
local ahead, sum = places(), 0
for at = 0, 9 do
  sum = sum + ahead(tonumber(ARGV[3 * at + 1]), tonumber(ARGV[3 * at + 2]), string.format('%x', at))
end
return sum
";

/// What ten places may cost: the aged tickets, and four counts of each.
const TEN_PLACES_COMMANDS_MAX: u64 = 41;

struct Model {
    server: Connection,
    seed: u64,
    process: RedisServer,
}

impl Model {
    fn start() -> Self {
        let process = RedisServer::start();
        let server = redis::Client::open(process.url()).unwrap().get_connection().unwrap();
        Self { server, seed: 7, process }
    }

    fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % bound
    }

    /// A line of up to 12, its numbers as large as the clock's, its passes around the bound.
    fn line(&mut self) -> Vec<Standing> {
        let mut line: Vec<Standing> = Vec::new();
        for _ in 0..self.random(13) {
            let ticket = 1_800_000_000_000_000 + self.random(40);
            let priority = Priority::ALL[self.random(4) as usize];
            let passed = [0, PASSED_MAX - 1, PASSED_MAX, PASSED_MAX + 1][self.random(4) as usize];
            if line.iter().all(|standing| standing.ticket != ticket) {
                line.push(Standing { ticket, priority, passed });
            }
        }
        line
    }

    fn run<T: redis::FromRedisValue>(&mut self, body: &str, first: &[u64], line: &[Standing]) -> T {
        self.call(&format!("{LINE}{body}"), first, line)
    }

    /// As [`Model::run`], in the line that stands already.
    fn call<T: redis::FromRedisValue>(&mut self, body: &str, first: &[u64], line: &[Standing]) -> T {
        let text = format!("{}{body}", include_str!("../src/lua/queue.lua"));
        let script = redis::Script::new(&text);
        let mut call = script.prepare_invoke();
        ["lock", "line", "waiters", "heard", "passed", "aged", "gone"].iter().for_each(|key| {
            call.key(format!("{{model}}{key}"));
        });
        first.iter().for_each(|number| {
            call.arg(*number);
        });
        for standing in line {
            call.arg(3 - standing.priority as u8).arg(standing.ticket).arg(standing.passed);
        }
        call.invoke(&mut self.server).unwrap()
    }
}

fn index(request: &str) -> usize {
    usize::from_str_radix(request, 16).unwrap()
}

#[test]
fn the_order_the_choice_and_the_places_are_the_policys() {
    require!("redis-server", "redis-cli");
    let mut model = Model::start();
    for _ in 0..LINES {
        let line = model.line();
        let (order, places): (Vec<String>, Vec<usize>) = model.run(ORDER, &[], &line);
        let order: Vec<usize> = order.iter().map(|request| index(request)).collect();
        let expected = queue::order(&line);
        assert_eq!(order, expected, "{line:?}");
        let place = |at: usize| expected.iter().position(|i| *i == at).unwrap();
        assert_eq!(places, (0..line.len()).map(place).collect::<Vec<_>>(), "{line:?}");
    }
}

#[test]
fn places_in_a_long_line_with_aged_tickets_are_counted_at_once() {
    require!("redis-server", "redis-cli");
    let mut model = Model::start();
    let standing = |number: u64| Standing {
        ticket: 1_800_000_000_000_000 + number,
        priority: Priority::ALL[(number % 4) as usize],
        passed: if number.is_multiple_of(8) { PASSED_MAX } else { 0 },
    };
    let line: Vec<Standing> = (0..1600).map(standing).collect();
    model.run::<()>("stand(ARGV)", &[], &line);
    let asked = |model: &Model| {
        let of = |command| model.process.calls(command);
        of("zrange") + of("zlexcount") + of("zrangebylex") + of("zscore")
    };
    let before = asked(&model);
    model.call::<u64>(TEN_PLACES, &[], &line[..10]);
    let commands = asked(&model) - before;
    assert!(commands <= TEN_PLACES_COMMANDS_MAX, "{commands}");
}

#[test]
fn a_grant_passes_those_that_the_policy_says() {
    require!("redis-server", "redis-cli");
    let mut model = Model::start();
    for _ in 0..LINES {
        let mut line = model.line();
        let granted = 1_800_000_000_000_000 + model.random(40);
        let (passed, aged): (Vec<u32>, usize) = model.run(PASS, &[granted], &line);
        for at in queue::passed_by(granted, &line).collect::<Vec<_>>() {
            line[at].passed += 1;
        }
        assert_eq!(passed, line.iter().map(|standing| standing.passed).collect::<Vec<_>>(), "{granted}: {line:?}");
        assert_eq!(aged, line.iter().filter(|standing| standing.passed >= PASSED_MAX).count(), "{granted}: {line:?}");
    }
}

#[test]
fn who_comes_back_gets_the_number_that_the_policy_says() {
    require!("redis-server", "redis-cli");
    let mut model = Model::start();
    for _ in 0..LINES {
        let line = model.line();
        let some = |model: &mut Model| 1_800_000_000_000_000 + model.random(44);
        let (next, holders) = (some(&mut model), some(&mut model));
        let back = match model.random(6) {
            0 => 0,
            1 => u64::MAX,
            2 => holders,
            3 => next,
            _ => some(&mut model),
        };
        let number: String = model.run(NUMBER, &[back, next, holders], &line);
        let in_use = |number| number == holders || line.iter().any(|standing| standing.ticket == number);
        assert_eq!(number, queue::number(Some(back), next, in_use).to_string(), "{back} {next} {holders}: {line:?}");
    }
}
