//! One run of a scenario: windows, senders, the word, and what came of it.

use std::time::Duration;

use lock_core::Moment;

use super::{
    backstage::{Backstage, ChildId, Player},
    error::DemoError,
    own_sender,
    plan::{Protected, Said, SenderPlan, Way},
    scenario::Scenario,
    score::{Score, Sent},
    stage::{PrivateStage, Scene, Stage},
};
use crate::settings::RedisSettings;

const NAME: &str = "a sender";
/// How long all senders may take to get ready, and the slowest to send everything. Longer runs are cut off, and what was
/// not sent by then counts as lost.
const READY_WITHIN: Duration = Duration::from_secs(30);
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) protected: bool,
    pub(crate) score: Score,
    /// From the word until the last sender had done.
    pub(crate) took: Duration,
    /// What senders said about messages that they do not call submitted.
    pub(crate) problems: Vec<String>,
}

/// The lock of protected senders.
#[derive(Debug, Clone)]
pub(crate) struct LockChoice {
    pub(crate) backend: String,
    pub(crate) redis: RedisSettings,
    pub(crate) root: std::path::PathBuf,
    pub(crate) key: String,
}

impl LockChoice {
    /// The backend's name: a URL may hold a password.
    pub(crate) fn scheme(&self) -> &str {
        self.backend.split(':').next().unwrap_or_default()
    }
}

/// Plays a scenario as the seed did before its lock. Only where nobody else is.
pub(crate) fn unprotected(
    backstage: &mut Backstage,
    stage: &PrivateStage,
    scenario: Scenario,
) -> Result<Run, DemoError> {
    let (scene, playground) = stage.open(backstage, scenario.windows())?;
    let points = scene.points.clone();
    let way = || Way::Unprotected { playground: playground.clone(), points: points.clone() };
    play(backstage, scene, scenario, false, |command| stage.let_in(command), way)
}

/// Plays a scenario with talkstick.
pub(crate) fn protected(
    backstage: &mut Backstage,
    stage: &Stage,
    lock: &LockChoice,
    scenario: Scenario,
) -> Result<Run, DemoError> {
    let scene = stage.open(backstage, scenario.windows())?;
    let LockChoice { backend, redis, root, key } = lock.clone();
    let (desktop, places) = (scene.desktop.clone(), scene.places.clone());
    let protected = Protected { backend, redis, root, key, desktop, places };
    let way = || Way::Protected(Box::new(protected.clone()));
    play(backstage, scene, scenario, true, |command| stage.let_in(command), way)
}

fn play(
    backstage: &mut Backstage,
    mut scene: Scene,
    scenario: Scenario,
    protected: bool,
    let_in: impl Fn(&mut std::process::Command),
    way: impl Fn() -> Way,
) -> Result<Run, DemoError> {
    let mut senders = Senders::start(backstage, scenario, let_in, way)?;
    senders.await_ready(backstage)?;
    let began = Moment::now();
    senders.begin()?;
    let reports = senders.await_done(backstage, began)?;
    let took = began.elapsed();
    let seen = scene.seen(backstage)?;
    // Not before: the clipboard of a last paste is its sender's own.
    senders.dismiss();
    Ok(Run { scenario, protected, score: Score::of(&reports.sent, &seen), took, problems: reports.problems })
}

struct Senders {
    scenario: Scenario,
    players: Vec<Player>,
}

struct Reports {
    sent: Vec<Sent>,
    problems: Vec<String>,
}

impl Senders {
    fn start(
        backstage: &mut Backstage,
        scenario: Scenario,
        let_in: impl Fn(&mut std::process::Command),
        way: impl Fn() -> Way,
    ) -> Result<Self, DemoError> {
        let mut players = Vec::new();
        for sender in 0..scenario.senders {
            let mut command = own_sender("demo-sender")?;
            let_in(&mut command);
            let mut player = backstage.start(format!("sender {}", sender + 1), &mut command)?;
            let plan = SenderPlan { messages: scenario.messages_of(sender), way: way() };
            let plan = serde_json::to_string(&plan);
            player.tell(&plan.map_err(|e| DemoError::System { what: "write JSON", source: e.into() })?)?;
            players.push(player);
        }
        Ok(Self { scenario, players })
    }

    fn await_ready(&self, backstage: &mut Backstage) -> Result<(), DemoError> {
        let until = Moment::now() + READY_WITHIN;
        for _ in &self.players {
            match self.next(backstage, until)?.ok_or(DemoError::NotReady { name: NAME })? {
                (_, Said::Ready) => {}
                (_, other) => return Err(unexpected(format!("{other:?}"))),
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), DemoError> {
        self.players.iter_mut().try_for_each(|player| player.tell("go"))
    }

    /// What the senders report until all have done, or are cut off.
    fn await_done(&self, backstage: &mut Backstage, began: Moment) -> Result<Reports, DemoError> {
        let unheard = |message| Sent { message, asked_ns: began.since_boot_ns(), ticket: None };
        let sent = self.scenario.all_messages().into_iter().map(unheard).collect();
        let mut reports = Reports { sent, problems: Vec::new() };
        let mut left = self.players.len();
        while left > 0 {
            match self.next(backstage, began + DONE_WITHIN)? {
                Some((_, Said::Done)) => left -= 1,
                Some((id, Said::Message { number, asked_ns, ticket, problem })) => {
                    let sender = self.players.iter().position(|player| player.id() == id).unwrap_or_default();
                    let at = sender * self.scenario.messages + number;
                    let sent = reports.sent.get_mut(at).ok_or_else(|| unexpected(format!("message {number}")))?;
                    (sent.asked_ns, sent.ticket) = (asked_ns, ticket);
                    reports.problems.extend(problem.map(|problem| format!("{}: {problem}", sent.message.text)));
                }
                Some((_, other)) => return Err(unexpected(format!("{other:?}"))),
                None => {
                    reports.problems.push(format!("{left} senders had not done after {} s", DONE_WITHIN.as_secs()));
                    break;
                }
            }
        }
        Ok(reports)
    }

    fn next(&self, backstage: &mut Backstage, until: Moment) -> Result<Option<(ChildId, Said)>, DemoError> {
        let players: Vec<_> = self.players.iter().collect();
        let Some((id, line)) = backstage.line(&players, until)? else { return Ok(None) };
        let said = serde_json::from_str(&line).map_err(|_| unexpected(line))?;
        Ok(Some((id, said)))
    }

    /// All at once, so that they end beside each other.
    fn dismiss(mut self) {
        self.players.iter_mut().for_each(Player::dismiss);
    }
}

fn unexpected(line: String) -> DemoError {
    DemoError::Unexpected { name: NAME, line }
}
