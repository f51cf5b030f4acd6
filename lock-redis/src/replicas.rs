//! Whether enough replicas have what was written.

use std::time::Duration;

use redis::{RedisError, Value};

use crate::{
    connection::Connection,
    error::Trouble,
    keys::Keys,
    link::{Answer, Link},
    reply::text,
    scripts::LuaScript,
    silence::within,
};

/// What its errors name in the place of a script.
const WAIT: &str = "WAIT";

/// How late a server may end a WAIT: ten times a second it looks whose time is over.
const LATE: Duration = Duration::from_millis(100);

/// A call that writes to the same keys, and may be repeated.
#[derive(Clone, Copy)]
pub(crate) struct Again<'a> {
    pub(crate) script: &'static LuaScript,
    pub(crate) keys: &'a Keys,
    pub(crate) arguments: &'a [String],
}

impl Again<'_> {
    /// Makes the call, and the other one right behind it on the same connection; gives the answer of that one.
    async fn then(self, link: &Link, connection: &mut Connection, next: &redis::Cmd) -> Result<Value, Trouble> {
        let by_hash = self.script.by_hash(self.keys, self.arguments);
        let mut answers = link.waited(connection.call_both(&by_hash, next)).await?;
        // The server has waited all the same, for what was written before.
        if is_unknown_script(&answers) {
            let in_full = self.script.in_full(self.keys, self.arguments);
            answers = link.waited(connection.call_both(&in_full, next)).await?;
        }
        let mut answers =
            answers.into_iter().map(|answer| answer.extract_error().map_err(|error| link.failed(error, WAIT)));
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

impl Link {
    /// Waits until as many replicas as configured have what the call of this answer has written.
    ///
    /// On a Cluster nobody can tell whether the connection to a node is the one that has written: there `again` is written, and
    /// WAIT right behind it on the same one. Replicas that have it have all that came before.
    ///
    /// # Cancel safety
    /// May be dropped at any point; the connection is busy until the server answers, half of the timeout and 100 ms at most.
    pub(crate) async fn await_replicas(&self, answer: &Answer, again: Again<'_>) -> Result<(), Trouble> {
        let wanted = self.config.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        let patience_ms = (self.config.timeout / 2).as_millis().max(1);
        let mut wait = redis::cmd(WAIT);
        wait.arg(wanted).arg(u64::try_from(patience_ms).unwrap_or(u64::MAX));
        let mut connection = answer.live.connection.clone();
        let waited = match connection.is_cluster() {
            true => again.then(self, &mut connection, &wait).await,
            false => self.waited(connection.call(&wait)).await,
        };
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

    /// The answer of a server that was told to wait for half of the timeout. It has the other half for the way, and may be late.
    async fn waited<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Trouble> {
        let answered = within(&self.config, self.config.timeout + LATE, answer).await?;
        answered.map_err(|error| self.failed(error, WAIT))
    }

    fn count(&self, replicas: &Value) -> Result<i64, Trouble> {
        match replicas {
            Value::Int(count) => Ok(*count),
            _ => Err(Trouble::Strange { server: self.config.name(), script: WAIT }),
        }
    }
}
