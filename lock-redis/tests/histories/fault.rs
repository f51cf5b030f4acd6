//! What is done to a server, to the networks to it and to its senders, and when it is undone.

use std::{thread::JoinHandle, time::Duration};

use lock_core::Moment;
use tests::{
    proxy::Proxy,
    redis_server::{RedisServer, with_debug},
    wall_clock::WallClock,
};

use crate::{
    crowd::{Crowd, Recipe},
    history::{Excuses, Span},
    network_fault::NetworkFault,
    sender::Dice,
};

const HOUR: i64 = 3600;
const NETWORKS: usize = 2;
const SENDERS: usize = 5;
const TURNS: u64 = 6;
/// A waiter that speaks every 600 ms has its place kept for 2 s: so short a silence loses it nothing.
const HARMLESS: Duration = Duration::from_millis(400);

/// A lease that lasts as long as that is not lost by a harmless silence.
const LASTING: Duration = Duration::from_secs(1);

/// A server, two networks to it with two senders each, and one sender beside the server.
pub(crate) struct Site {
    pub(crate) server: RedisServer,
    networks: Vec<Proxy>,
    /// Each sender's.
    clocks: Vec<WallClock>,
    pub(crate) crowd: Crowd,
    /// Whether a restart keeps the data.
    persists: bool,
    pub(crate) excuses: Excuses,
    sleeping: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Network(usize, NetworkFault),
    KillSender(usize),
    StopSender(usize),
    SetClock(usize, i64),
    RestartServer,
    StopServer,
    ServerSleeps,
    FlushAll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Server,
    Network(usize),
    Sender(usize),
    Clock(usize),
}

/// The network of a sender; the last one has none.
const fn network_of(sender: usize) -> usize {
    sender / 2
}

impl Fault {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let kind = dice.roll(13);
        let mut below = |count: usize| usize::try_from(dice.roll(count as u64)).unwrap();
        match kind {
            0 => Self::Network(below(NETWORKS), NetworkFault::Delay(Duration::from_millis(1 + below(60) as u64))),
            1 => Self::Network(below(NETWORKS), NetworkFault::DropRequests),
            2 => Self::Network(below(NETWORKS), NetworkFault::DropReplies),
            3 => Self::Network(below(NETWORKS), NetworkFault::Partition),
            4 => Self::Network(below(NETWORKS), NetworkFault::Reset),
            5 => Self::Network(below(NETWORKS), NetworkFault::CutReplies(below(60))),
            6 => Self::KillSender(below(SENDERS)),
            7 => Self::StopSender(below(SENDERS)),
            8 => Self::RestartServer,
            9 => Self::StopServer,
            10 => Self::ServerSleeps,
            11 => Self::SetClock(below(SENDERS), below(40) as i64 * HOUR - 20 * HOUR),
            _ => Self::FlushAll,
        }
    }

    pub(crate) const fn subject(self) -> Subject {
        match self {
            Self::Network(network, _) => Subject::Network(network),
            Self::KillSender(sender) | Self::StopSender(sender) => Subject::Sender(sender),
            Self::SetClock(sender, _) => Subject::Clock(sender),
            Self::RestartServer | Self::StopServer | Self::ServerSleeps | Self::FlushAll => Subject::Server,
        }
    }

    /// Whether it keeps somebody from being heard; the others only disturb.
    const fn silences(self) -> bool {
        match self {
            Self::Network(_, fault) => fault.silences(),
            Self::FlushAll | Self::KillSender(_) | Self::SetClock(..) => false,
            Self::StopSender(_) | Self::RestartServer | Self::StopServer | Self::ServerSleeps => true,
        }
    }
}

impl Site {
    pub(crate) fn open(dice: &mut Dice) -> Self {
        let persists = dice.roll(2) == 0;
        let ttl = Duration::from_millis([300, 1000, 2000][usize::try_from(dice.roll(3)).unwrap()]);
        let mut options = with_debug();
        if persists {
            options.extend(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        let server = RedisServer::start_with(&options);
        let networks: Vec<Proxy> = (0..NETWORKS).map(|_| Proxy::to(&server.socket())).collect();
        let url = |sender| match networks.get(network_of(sender)) {
            Some(network) => format!("redis://127.0.0.1:{}", network.port()),
            None => server.url(),
        };
        let clocks: Vec<WallClock> = (0..SENDERS).map(|_| WallClock::right()).collect();
        let recipe = |sender: usize| Recipe {
            within: clocks[sender].run(),
            url: url(sender),
            turns: TURNS,
            ttl,
            // Beyond the lease of who is cut off meanwhile.
            longest: ttl + LASTING,
            seed: dice.roll(u64::MAX),
            special: None,
        };
        let recipes: Vec<Recipe> = (0..SENDERS).map(recipe).collect();
        let crowd = Crowd::gather(&recipes);
        let excuses = Excuses { ttl, ..Excuses::default() };
        Self { server, networks, clocks, crowd, persists, excuses, sleeping: Vec::new() }
    }

    /// Does it; it is to be undone after `span`.
    pub(crate) fn begin(&mut self, fault: Fault, span: Duration) {
        let began = Moment::now();
        match fault {
            Fault::Network(network, fault) => fault.begin(&self.networks[network]),
            Fault::KillSender(sender) => {
                let member = &mut self.crowd.members[sender];
                member.killed = true;
                member.process.kill();
            }
            Fault::StopSender(sender) => _ = self.crowd.members[sender].process.stop_if_it_runs(),
            Fault::SetClock(sender, seconds_ahead) => self.clocks[sender].set(seconds_ahead),
            Fault::RestartServer => self.server.kill(),
            Fault::StopServer => self.server.process().stop(),
            Fault::ServerSleeps => self.sleep(span),
            Fault::FlushAll => {
                self.server.tell(&["FLUSHALL"]);
                self.excuses.losses.push(Span { from: began, to: Moment::now() });
            }
        }
    }

    /// Undoes what was done at `began`, and notes what it excuses.
    pub(crate) fn end(&mut self, fault: Fault, began: Moment) {
        match fault {
            Fault::Network(network, fault) => fault.end(&self.networks[network]),
            Fault::StopSender(sender) => _ = self.crowd.members[sender].process.go_on_if_it_runs(),
            Fault::RestartServer => {
                self.server.start_again();
                if !self.persists {
                    self.excuses.losses.push(Span { from: began, to: Moment::now() });
                }
            }
            Fault::StopServer => self.server.process().go_on(),
            Fault::SetClock(sender, _) => self.clocks[sender].set(0),
            Fault::ServerSleeps => self.sleeping.drain(..).for_each(|sleeping| sleeping.join().unwrap()),
            Fault::KillSender(_) | Fault::FlushAll => {}
        }
        let span = Span { from: began, to: Moment::now() };
        if !fault.silences() || span.to - span.from < HARMLESS {
            return;
        }
        let concerned = |sender: &usize| match fault.subject() {
            // It takes nobody for silent while it is away itself.
            Subject::Server => false,
            Subject::Network(network) => network_of(*sender) == network,
            Subject::Sender(stopped) | Subject::Clock(stopped) => *sender == stopped,
        };
        self.excuses.silences.extend((0..SENDERS).filter(concerned).map(|sender| (sender, span)));
    }

    fn sleep(&mut self, span: Duration) {
        let url = self.server.url().replace("redis+unix://", "unix://");
        self.sleeping.push(std::thread::spawn(move || {
            let mut operator = redis::Client::open(url).unwrap().get_connection().unwrap();
            redis::cmd("DEBUG").arg("SLEEP").arg(span.as_secs_f64()).query::<()>(&mut operator).unwrap();
        }));
    }
}
