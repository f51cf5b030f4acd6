//! The calls of a client, over its one connection.

use std::{sync::Arc, time::Duration};

use lock_core::{Moment, background};
use redis::{ErrorKind, RedisError, ServerErrorKind, ToRedisArgs, Value};

use crate::{
    config::RedisConfig,
    connecting::Connecting,
    connection::{Connection, Node},
    error::Trouble,
    keys::Keys,
    line::Line,
    live::Live,
    scripts::LuaScript,
    server::Server,
    silence::in_time,
};

/// How often a call is sent: twice, for a connection that was found broken only by using it. All calls may be repeated.
const ATTEMPTS: u32 = 2;

/// Pause before a call is sent again whose slot is between two nodes.
const MOVE_PAUSE: Duration = Duration::from_millis(20);

/// What the errors of this question name in the place of a script.
const SLOTS: &str = "CLUSTER SLOTS";

/// An answer, and when its question was sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) sent: Moment,
    /// Over which connection: the server counts what its replicas have by the writes of each.
    pub(crate) live: Live,
}

/// The calls of one client.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: Arc<RedisConfig>,
    connecting: Connecting,
}

impl Link {
    /// Wake-ups go to the waiters of `line`.
    pub(crate) fn new(server: Server, line: Arc<Line>) -> Self {
        Self { config: Arc::clone(&server.config), connecting: Connecting::new(server, line) }
    }

    /// Makes the connection unless there is one.
    pub(crate) async fn open(&self) -> Result<(), Trouble> {
        self.connecting.live().await.map(drop)
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
        self.call_with(script, keys, || arguments).await
    }

    /// As [`Link::call`], with arguments that are asked for anew each time it is sent.
    pub(crate) async fn call_with<A: ToRedisArgs + Copy>(
        &self,
        script: &'static LuaScript,
        keys: &Keys,
        arguments: impl Fn() -> A,
    ) -> Result<Answer, Trouble> {
        let (mut attempt, begun) = (1, Moment::now());
        loop {
            let live = self.connecting.live().await?;
            let sent = Moment::now();
            let answer = run(live.connection.clone(), script, keys, arguments());
            let failure = match in_time(&self.config, answer).await {
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

    /// Asks this server something that is no script, once.
    pub(crate) async fn ask(&self, node: &Node, command: redis::Cmd, name: &'static str) -> Result<Value, Trouble> {
        let mut live = self.connecting.live().await?;
        let asked = in_time(&self.config, live.connection.ask(node, &command)).await?;
        asked.map_err(|error| self.failed(error, name))
    }

    /// All servers that keep keys.
    pub(crate) async fn masters(&self) -> Result<Vec<Node>, Trouble> {
        let mut live = self.connecting.live().await?;
        let masters = in_time(&self.config, live.connection.masters()).await?;
        masters.map_err(|error| self.failed(error, SLOTS))
    }

    pub(crate) fn failed(&self, error: RedisError, script: &'static str) -> Trouble {
        Trouble::from_server(error, &self.config, script)
    }

    /// Gives a broken connection up, unless another caller has already replaced it.
    pub(crate) fn forget(&self, broken: &Live) {
        self.connecting.forget(broken);
    }
}

async fn run(
    mut connection: Connection,
    script: &LuaScript,
    keys: &Keys,
    arguments: impl ToRedisArgs + Copy,
) -> Result<Value, RedisError> {
    if script.lets_go {
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
