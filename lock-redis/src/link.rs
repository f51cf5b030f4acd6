//! The one connection of a client, made again when it breaks, and the calls over it.

use std::sync::{Arc, Mutex, PoisonError};

use lock_core::{Moment, background};
use redis::{
    ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, ToRedisArgs, Value, aio::MultiplexedConnection,
};

use crate::{config::RedisConfig, error::Trouble, keys::Keys, line::Line, scripts::LuaScript, server::Server};

/// How often a call is sent: twice, for a connection that was found broken only by using it. All calls may be repeated.
const ATTEMPTS: u32 = 2;

/// An answer, and when its question was sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) sent: Moment,
    /// Over which connection: the server counts what its replicas have by the writes of each.
    live: Live,
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
#[derive(Debug, Clone)]
struct Live {
    connection: MultiplexedConnection,
    since: Moment,
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
        let mut attempt = 1;
        loop {
            let live = self.live().await?;
            let sent = Moment::now();
            let failure = match self.in_time(run(live.connection.clone(), script, keys, arguments)).await {
                Ok(Ok(value)) => return Ok(Answer { value, sent, live }),
                Ok(Err(error)) if error.is_unrecoverable_error() => self.failed(error, script.name),
                Ok(Err(error)) => match self.failed(error, script.name) {
                    // It was the master when we connected; who is it now is asked for with the next connection.
                    trouble @ Trouble::Replica { .. } => trouble,
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
    /// # Cancel safety
    /// May be dropped at any point; the connection is busy until the server answers, half of the timeout at most.
    pub(crate) async fn await_replicas(&self, answer: &Answer) -> Result<(), Trouble> {
        let wanted = self.config.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        let patience_ms = (self.config.timeout / 2).as_millis().max(1);
        let mut wait = redis::cmd("WAIT");
        wait.arg(wanted).arg(u64::try_from(patience_ms).unwrap_or(u64::MAX));
        let mut connection = answer.live.connection.clone();
        let waited = self.in_time(async { wait.query_async::<i64>(&mut connection).await }).await;
        match waited.and_then(|have| have.map_err(|error| self.failed(error, "WAIT"))) {
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

    /// Asks the server something that is no script, once.
    pub(crate) async fn ask(&self, command: redis::Cmd, name: &'static str) -> Result<Value, Trouble> {
        let mut live = self.live().await?;
        let asked = self.in_time(async { command.query_async(&mut live.connection).await }).await?;
        asked.map_err(|error| self.failed(error, name))
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
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let (server, line) = (Arc::clone(&self.server), Arc::clone(&self.line));
        // On lock-core's runtime, where the connection is served also when the caller's is blocked or ends.
        let connecting = background::handle()?.spawn(async move { server.connect(hears(line)).await });
        let connection = connecting.await.map_err(|_| Trouble::Background)??;
        let live = Live { connection, since: Moment::now() };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    /// Gives a broken connection up, unless another caller has already replaced it.
    fn forget(&self, broken: &Live) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|live| live.since == broken.since) {
            *current = None;
        }
    }
}

async fn run(
    mut connection: MultiplexedConnection,
    script: &LuaScript,
    keys: &Keys,
    arguments: &[impl ToRedisArgs],
) -> Result<Value, RedisError> {
    let by_hash = script.by_hash(keys, arguments);
    match by_hash.query_async(&mut connection).await {
        // A new server, or one whose scripts were flushed.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            script.in_full(keys, arguments).query_async(&mut connection).await
        }
        answer => answer,
    }
}

/// Wakes whom a message names; and everybody when the connection ends, for a message may have been lost with it.
fn hears(line: Arc<Line>) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> {
    move |push| {
        match (push.kind, &push.data[..]) {
            (PushKind::Message, [_, Value::BulkString(request)]) => line.wake(request),
            (PushKind::Disconnection, _) => line.wake_all(),
            _ => {}
        }
        Ok(())
    }
}
