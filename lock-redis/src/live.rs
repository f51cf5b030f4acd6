//! A connection, and whether wake-ups are heard over it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redis::{PushInfo, PushKind, RedisError, Value};

use crate::{connection::Connection, error::Trouble, line::Line, server::Server};

/// A connection that worked when it was last used. Clones share it.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    ear: Arc<Ear>,
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

impl Live {
    /// Connects, within the timeout; wake-ups go to the waiters of `line`.
    ///
    /// Must run on a tokio runtime: the connection lives there.
    pub(crate) async fn connect(server: &Server, line: &Arc<Line>) -> Result<Self, Trouble> {
        let ear = Arc::<Ear>::default();
        let hears = hears(Arc::clone(line), Arc::clone(&ear));
        let switched = switched(Arc::clone(line), Arc::clone(&ear));
        let connection = server.connect(hears, switched).await?;
        Ok(Self { connection, ear })
    }

    /// Whether wake-ups are heard. A single server's subscription ends with its connection, which the next call finds out; but it
    /// may be the master no more.
    pub(crate) fn hears(&self) -> bool {
        match self.connection {
            Connection::Server { .. } => !self.ear.switched.load(Ordering::Acquire),
            Connection::Cluster { .. } => {
                self.ear.mended.load(Ordering::Acquire) == self.ear.broken.load(Ordering::Acquire)
            }
        }
    }

    /// Subscribes again, on a node that is there: before the call that follows, so that it sees what was missed.
    pub(crate) async fn hear_again(&mut self, channel: &str) -> Result<(), RedisError> {
        let broken = self.ear.broken.load(Ordering::Acquire);
        self.connection.subscribe(channel).await?;
        self.ear.mended.store(broken, Ordering::Release);
        Ok(())
    }

    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ear, &other.ear)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("ear", &self.ear).finish_non_exhaustive()
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
