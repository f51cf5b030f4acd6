//! The one connection of a client, made again when it breaks, and the calls over it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use lock_core::{Moment, background};
use redis::{ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, ToRedisArgs, Value};

use crate::{
    config::RedisConfig,
    connection::{Connection, Node},
    error::Trouble,
    keys::Keys,
    line::Line,
    reply::text,
    scripts::{LuaScript, RELEASE},
    server::Server,
};

/// How often a call is sent: twice, for a connection that was found broken only by using it. All calls may be repeated.
const ATTEMPTS: u32 = 2;

/// Pause before a call is sent again whose slot is between two nodes.
const MOVE_PAUSE: Duration = Duration::from_millis(20);

/// What the errors of other questions name in the place of a script.
const SLOTS: &str = "CLUSTER SLOTS";
const WAIT: &str = "WAIT";

/// An answer, and when its question was sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) sent: Moment,
    /// Over which connection: the server counts what its replicas have by the writes of each.
    live: Live,
}

/// A call that writes to the same keys, and may be repeated.
#[derive(Clone, Copy)]
pub(crate) struct Again<'a> {
    pub(crate) script: &'static LuaScript,
    pub(crate) keys: &'a Keys,
    pub(crate) arguments: &'a [String],
}

impl Again<'_> {
    /// Makes the call, and the other one right behind it on the same connection; gives the answer of that one.
    async fn then(self, connection: &mut Connection, next: &redis::Cmd) -> Result<Value, RedisError> {
        let mut answers = connection.call_both(&self.script.by_hash(self.keys, self.arguments), next).await?;
        if is_unknown_script(&answers) {
            answers = connection.call_both(&self.script.in_full(self.keys, self.arguments), next).await?;
        }
        let mut answers = answers.into_iter().map(Value::extract_error);
        let (again, next) = (answers.next().transpose()?, answers.next().transpose()?);
        // A lease that is over meanwhile was not written again: what replicas have says nothing of it.
        match again.as_ref().and_then(text) {
            Some("ended" | "replaced" | "gone") => Ok(Value::Int(0)),
            _ => Ok(next.unwrap_or(Value::Nil)),
        }
    }
}

fn is_unknown_script(answers: &[Value]) -> bool {
    matches!(answers.first(), Some(Value::ServerError(error)) if error.code() == "NOSCRIPT")
}

/// The connection of one client.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: Arc<RedisConfig>,
    server: Arc<Server>,
    /// Whom a wake-up is for.
    line: Arc<Line>,
    current: Mutex<Option<Live>>,
    /// Held by who connects, so that many callers make one connection.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection that worked when it was last used.
#[derive(Clone)]
struct Live {
    connection: Connection,
    since: Moment,
    ear: Arc<Ear>,
    /// A lease was released over it.
    has_released: Arc<AtomicBool>,
}

/// Whether wake-ups are heard. Of a Cluster any node's connection may break while those of the others go on, and it may be
/// the one over which they came.
#[derive(Debug, Default)]
struct Ear {
    /// How many connections have broken.
    broken: AtomicU64,
    /// How many of them were followed by a new subscription.
    mended: AtomicU64,
    /// A Sentinel has named another master than the one that is connected to.
    switched: AtomicBool,
}

impl Link {
    pub(crate) fn new(server: Server, line: Arc<Line>) -> Self {
        let config = Arc::clone(&server.config);
        Self {
            config,
            server: Arc::new(server),
            line,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Makes the connection unless there is one.
    pub(crate) async fn open(&self) -> Result<(), Trouble> {
        self.live().await.map(drop)
    }

    /// Runs a script. It may run more than once, and also when this fails.
    ///
    /// # Cancel safety
    /// The script may or may not run.
    pub(crate) async fn call(
        &self,
        script: &'static LuaScript,
        keys: &Keys,
        arguments: &[impl ToRedisArgs + Sync],
    ) -> Result<Answer, Trouble> {
        let (mut attempt, begun) = (1, Moment::now());
        loop {
            let live = self.live().await?;
            let sent = Moment::now();
            let in_full = live.sends_in_full(script);
            let failure = match self.in_time(run(live.connection.clone(), script, keys, arguments, in_full)).await {
                Ok(Ok(value)) => return Ok(Answer { value, sent, live }),
                Ok(Err(error)) if error.is_unrecoverable_error() => self.failed(error, script.name),
                Ok(Err(error)) => match self.failed(error, script.name) {
                    // It was the master when we connected; who is it now is asked for with the next connection.
                    trouble @ Trouble::Replica { .. } => trouble,
                    trouble if trouble.is_move() && begun.elapsed() < self.config.timeout => {
                        background::sleep_until(Moment::now() + MOVE_PAUSE).await?;
                        continue;
                    }
                    trouble => return Err(trouble),
                },
                Err(silent) => silent,
            };
            self.forget(&live);
            if attempt == ATTEMPTS {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Waits until as many replicas as configured have what the call of this answer has written.
    ///
    /// On a Cluster nobody can tell whether the connection to a node is the one that has written: there `again` is written, and
    /// WAIT right behind it on the same one. Replicas that have it have all that came before.
    ///
    /// # Cancel safety
    /// May be dropped at any point; the connection is busy until the server answers, half of the timeout at most.
    pub(crate) async fn await_replicas(&self, answer: &Answer, again: Again<'_>) -> Result<(), Trouble> {
        let wanted = self.config.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        let patience_ms = (self.config.timeout / 2).as_millis().max(1);
        let mut wait = redis::cmd(WAIT);
        wait.arg(wanted).arg(u64::try_from(patience_ms).unwrap_or(u64::MAX));
        let mut connection = answer.live.connection.clone();
        let waited = self.in_time(async {
            match connection.is_cluster() {
                true => again.then(&mut connection, &wait).await,
                false => connection.call(&wait).await,
            }
        });
        let waited = waited.await.and_then(|have| have.map_err(|error| self.failed(error, WAIT)));
        match waited.and_then(|have| self.count(&have)) {
            Ok(have) if have >= i64::from(wanted) => Ok(()),
            Ok(have) => Err(Trouble::TooFewReplicas { server: self.config.name(), wanted, have }),
            Err(trouble) => {
                if trouble.may_pass() {
                    self.forget(&answer.live);
                }
                Err(trouble)
            }
        }
    }

    fn count(&self, replicas: &Value) -> Result<i64, Trouble> {
        match replicas {
            Value::Int(count) => Ok(*count),
            _ => Err(Trouble::Strange { server: self.config.name(), script: WAIT }),
        }
    }

    /// Asks this server something that is no script, once.
    pub(crate) async fn ask(&self, node: &Node, command: redis::Cmd, name: &'static str) -> Result<Value, Trouble> {
        let mut live = self.live().await?;
        let asked = self.in_time(live.connection.ask(node, &command)).await?;
        asked.map_err(|error| self.failed(error, name))
    }

    /// All servers that keep keys.
    pub(crate) async fn masters(&self) -> Result<Vec<Node>, Trouble> {
        let mut live = self.live().await?;
        let masters = self.in_time(live.connection.masters()).await?;
        masters.map_err(|error| self.failed(error, SLOTS))
    }

    fn failed(&self, error: RedisError, script: &'static str) -> Trouble {
        Trouble::from_server(error, &self.config, script)
    }

    /// The output, or after the timeout the error that there was none.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            output = answer => Ok(output),
            slept = background::sleep_until(Moment::now() + self.config.timeout) => {
                slept?;
                Err(Trouble::Silent { server: self.config.name(), after: self.config.timeout })
            }
        }
    }

    fn current(&self) -> Option<Live> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn live(&self) -> Result<Live, Trouble> {
        if let Some(live) = self.current().filter(Live::hears) {
            return Ok(live);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(mut live) = self.current() {
            if live.hears() || (live.connection.is_cluster() && self.hear_again(&mut live).await) {
                return Ok(live);
            }
            self.forget(&live);
        }
        let (server, ear) = (Arc::clone(&self.server), Arc::<Ear>::default());
        let hears = hears(Arc::clone(&self.line), Arc::clone(&ear));
        let switched = switched(Arc::clone(&self.line), Arc::clone(&ear));
        // On lock-core's runtime, where the connection is served also when the caller's is blocked or ends.
        let connecting = background::handle()?.spawn(async move { server.connect(hears, switched).await });
        let connection = connecting.await.map_err(|_| Trouble::Background)??;
        let live = Live { connection, since: Moment::now(), ear, has_released: Arc::default() };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    /// Subscribes again, on a node that is there: before the call that follows, so that it sees what was missed.
    async fn hear_again(&self, live: &mut Live) -> bool {
        let broken = live.ear.broken.load(Ordering::Acquire);
        let heard = self.in_time(live.connection.subscribe(self.server.channel())).await;
        match heard.and_then(|heard| heard.map_err(|error| self.failed(error, "SUBSCRIBE"))) {
            Ok(()) => {
                live.ear.mended.store(broken, Ordering::Release);
                true
            }
            Err(trouble) => {
                tracing::debug!(error = %trouble, "the Cluster is connected to anew");
                false
            }
        }
    }

    /// Gives a broken connection up, unless another caller has already replaced it.
    fn forget(&self, broken: &Live) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|live| live.since == broken.since) {
            *current = None;
        }
    }
}

impl Live {
    /// A guard that is dropped sends its release and goes on. Were the script unknown, its text would come behind the next
    /// question of the same client, which would still find the lock held.
    fn sends_in_full(&self, script: &'static LuaScript) -> bool {
        script.name == RELEASE.name && !self.has_released.swap(true, Ordering::AcqRel)
    }

    /// A single server's subscription ends with its connection, which the next call finds out; but it may be the master no more.
    fn hears(&self) -> bool {
        match self.connection {
            Connection::Server { .. } => !self.ear.switched.load(Ordering::Acquire),
            Connection::Cluster { .. } => {
                self.ear.mended.load(Ordering::Acquire) == self.ear.broken.load(Ordering::Acquire)
            }
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("since", &self.since).field("ear", &self.ear).finish_non_exhaustive()
    }
}

async fn run(
    mut connection: Connection,
    script: &LuaScript,
    keys: &Keys,
    arguments: &[impl ToRedisArgs],
    in_full: bool,
) -> Result<Value, RedisError> {
    if in_full {
        return connection.call(&script.in_full(keys, arguments)).await;
    }
    match connection.call(&script.by_hash(keys, arguments)).await {
        // A new server, or one whose scripts were flushed.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            connection.call(&script.in_full(keys, arguments)).await
        }
        answer => answer,
    }
}

/// Wakes whom a message names; and everybody when a connection ends, for a message may have been lost with it.
fn hears(line: Arc<Line>, ear: Arc<Ear>) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> {
    move |push| {
        match (push.kind, &push.data[..]) {
            (PushKind::Message, [_, Value::BulkString(request)]) => line.wake(request),
            (PushKind::Disconnection, _) => {
                ear.broken.fetch_add(1, Ordering::AcqRel);
                line.wake_all();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Has everybody look for themselves, on the new master.
fn switched(line: Arc<Line>, ear: Arc<Ear>) -> impl Fn() + Clone + Send + Sync + 'static {
    move || {
        ear.switched.store(true, Ordering::Release);
        line.wake_all();
    }
}
