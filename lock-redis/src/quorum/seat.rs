//! Where a request stands on one of the servers.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use lock_core::{Entered, FencingToken, Lease, LockKey, Moment, Place, Request, RequestId, Waited};

use crate::{backend::Client, error::Trouble, quorum::lease::give_back};

/// How long one wait on a server is; the request itself bounds how long it stands there.
const LONG: Duration = Duration::from_secs(3600);

/// One server's place for a request.
pub(crate) enum Seat {
    /// It asks, or waits in line.
    Seeking(Seeking),
    /// The server has voted for it.
    Vote(Vote),
    /// It leaves the server alone for a while.
    Resting {
        until: Moment,
        /// Why, where the server is to blame.
        trouble: Option<Trouble>,
        /// To come back with.
        number: Option<u64>,
    },
}

/// A server's vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vote {
    /// Higher than any that the server has seen.
    pub(crate) token: FencingToken,
    pub(crate) number: u64,
}

/// On the way to a vote.
pub(crate) struct Seeking {
    run: Pin<Box<dyn Future<Output = Result<Vote, Trouble>> + Send>>,
    line: Line,
    seen: Option<InLine>,
    /// The number that it was told to take.
    number: Option<u64>,
    /// What kept it from the server before: until that answers, nothing has changed.
    before: Option<Trouble>,
}

/// A ticket of the server's own line, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InLine {
    pub(crate) number: u64,
    pub(crate) place: Place,
}

/// What is known of it; `None` until the server has answered.
type Line = Arc<Mutex<Option<InLine>>>;

impl Seat {
    /// Asks for the server's vote. `gives_back`: the token of the one that it has, first; then the request stands at the end of the
    /// line.
    pub(crate) fn seek(
        server: &Arc<Client>,
        key: &LockKey,
        request: &Request,
        gives_back: Option<FencingToken>,
    ) -> Self {
        let line = Line::default();
        let (server, key, request) = (Arc::clone(server), key.clone(), request.clone());
        let told = Arc::clone(&line);
        let run = Box::pin(async move {
            if gives_back.is_some() {
                give_back(&server, &key, request.id, gives_back, false).await?;
            }
            vote(&server, &key, &request, &told).await
        });
        Self::Seeking(Seeking { run, line, seen: None, number: None, before: None })
    }

    /// Where it waits under a lower number, it takes this one.
    pub(crate) fn take_number(&mut self, server: &Arc<Client>, request: RequestId, number: u64) {
        let Self::Seeking(seeking) = self else { return };
        let is_lower = seeking.in_line().is_some_and(|line| line.number < number);
        if !is_lower || seeking.number == Some(number) {
            return;
        }
        seeking.number = Some(number);
        let (server, told) = (Arc::clone(server), Arc::clone(&seeking.line));
        seeking.run = Box::pin(async move {
            let entered = server.take_number(request, number).await?;
            wait(&server, entered, &told).await
        });
    }

    /// Asks again after a rest. `elsewhere`: its number on the other servers, where it comes back to if this one was away; what was
    /// not held under its votes begins anew.
    pub(crate) fn come_back(&mut self, server: &Arc<Client>, key: &LockKey, request: &Request, elsewhere: Option<u64>) {
        let Self::Resting { trouble, number, .. } = self else { return };
        let before = trouble.take();
        let number = number.or(elsewhere.filter(|_| before.is_some()));
        *self = Self::seek(server, key, &Request { number, ..request.clone() }, None);
        if let Self::Seeking(seeking) = self {
            seeking.before = before;
        }
    }

    /// Goes on; gives whether anything has changed.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, pause: Duration) -> bool {
        let Self::Seeking(seeking) = self else { return false };
        match seeking.run.as_mut().poll(context) {
            Poll::Ready(Ok(vote)) => *self = Self::Vote(vote),
            Poll::Ready(Err(trouble)) => {
                tracing::debug!(error = %trouble, "a server of the quorum gives no vote");
                let number = seeking.in_line().map(|line| line.number);
                *self = Self::Resting { until: Moment::now() + pause, trouble: Some(trouble), number };
            }
            Poll::Pending => {
                let now = seeking.in_line();
                return std::mem::replace(&mut seeking.seen, now) != now;
            }
        }
        true
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        match self {
            Self::Vote(vote) => Some(*vote),
            _ => None,
        }
    }

    /// Its place in the server's line.
    pub(crate) fn in_line(&self) -> Option<InLine> {
        match self {
            Self::Seeking(seeking) => seeking.in_line(),
            _ => None,
        }
    }

    /// Whether the server has not answered yet, and is expected to.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self, Self::Seeking(seeking) if seeking.in_line().is_none() && seeking.before.is_none())
    }

    /// What keeps the server from being counted on.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Resting { trouble, .. } => trouble.as_ref(),
            Self::Seeking(seeking) if seeking.in_line().is_none() => seeking.before.as_ref(),
            _ => None,
        }
    }
}

impl Seeking {
    fn in_line(&self) -> Option<InLine> {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks, and waits in line, until the server votes for the request.
async fn vote(server: &Client, key: &LockKey, request: &Request, told: &Line) -> Result<Vote, Trouble> {
    let entered = server.enter(key, request).await?;
    wait(server, entered, told).await
}

/// Waits in line, if it does not have the server's vote yet.
async fn wait(server: &Client, entered: Entered, told: &Line) -> Result<Vote, Trouble> {
    let tell = |number, place| {
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(InLine { number, place });
    };
    let vote = |lease: Lease| Vote { token: lease.token, number: lease.ticket };
    let ticket = match entered {
        Entered::Granted(lease) => return Ok(vote(lease)),
        Entered::Queued(ticket, place) => {
            tell(ticket.number, place);
            ticket
        }
    };
    loop {
        match server.wait(&ticket, Moment::now() + LONG).await? {
            Waited::Granted(lease) => return Ok(vote(lease)),
            Waited::Queued(place) => tell(ticket.number, place),
        }
    }
}

/// Whether a request that waits in the server's line could not be heard there lately.
pub(crate) fn is_failing(server: &Client, request: RequestId) -> bool {
    server.line.get(request).is_some_and(|waiter| waiter.news().failing_since.is_some())
}
