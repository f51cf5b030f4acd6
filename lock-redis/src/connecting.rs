//! The one connection of a client, made when somebody needs it and there is none: by one attempt at a time, which all share
//! who need it meanwhile.
//!
//! The attempt is a task of its own, for as long as connecting may take. So it needs no caller: one that is dropped neither ends
//! it nor has the others begin anew, and one that is not polled keeps nobody from the connection.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lock_core::background;
use tokio::sync::watch;

use crate::{error::Trouble, line::Line, live::Live, server::Server, silence::in_time};

/// What an attempt has come to; `None` until then.
type Attempt = watch::Receiver<Option<Result<Live, Trouble>>>;

/// The connection to a server.
#[derive(Debug)]
pub(crate) struct Connecting(Arc<Parts>);

/// What the callers and their attempt share.
#[derive(Debug)]
struct Parts {
    server: Server,
    /// Whom a wake-up is for.
    line: Arc<Line>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Live>,
    /// The one that is under way.
    attempt: Option<Attempt>,
}

/// What there is for who needs a connection.
enum Sought {
    Here(Live),
    /// By who asked.
    Begun(Attempt),
    /// Before that.
    UnderWay(Attempt),
}

impl Connecting {
    /// Nothing is sent yet.
    pub(crate) fn new(server: Server, line: Arc<Line>) -> Self {
        Self(Arc::new(Parts { server, line, state: Mutex::default() }))
    }

    /// The connection; made, unless there is one on which wake-ups are heard.
    ///
    /// # Cancel safety
    /// May be dropped at any point; an attempt goes on.
    pub(crate) async fn live(&self) -> Result<Live, Trouble> {
        let under_way = match self.seek()? {
            Sought::Here(live) => return Ok(live),
            Sought::Begun(attempt) => return outcome(attempt).await,
            Sought::UnderWay(attempt) => attempt,
        };
        let patient = async {
            match outcome(under_way).await {
                // The server may have come back since that one was begun.
                Err(trouble) if trouble.may_pass() => match self.seek()? {
                    Sought::Here(live) => Ok(live),
                    Sought::Begun(attempt) | Sought::UnderWay(attempt) => outcome(attempt).await,
                },
                known => known,
            }
        };
        in_time(&self.0.server.config, patient).await?
    }

    /// Gives a broken connection up, unless it has been replaced already.
    pub(crate) fn forget(&self, broken: &Live) {
        self.0.state().current.take_if(|live| live.is(broken));
    }

    fn seek(&self) -> Result<Sought, Trouble> {
        let mut state = self.0.state();
        if let Some(live) = state.current.as_ref().filter(|live| live.hears()) {
            return Ok(Sought::Here(live.clone()));
        }
        // One that can tell nothing any more was ended by force, and another one is needed.
        if let Some(attempt) = state.attempt.as_ref().filter(|attempt| attempt.has_changed().is_ok()) {
            return Ok(Sought::UnderWay(attempt.clone()));
        }
        let (tell, attempt) = watch::channel(None);
        let parts = Arc::clone(&self.0);
        // On lock-core's runtime, where the connection is served also when the callers' are blocked or end.
        drop(background::handle()?.spawn(async move {
            let outcome = parts.attempt().await;
            {
                // At once: nobody may find neither the connection nor the attempt, and begin another one.
                let mut state = parts.state();
                (state.current, state.attempt) = (outcome.as_ref().ok().cloned(), None);
            }
            // Whoever has asked may be gone.
            let _heard = tell.send(Some(outcome));
        }));
        state.attempt = Some(attempt.clone());
        Ok(Sought::Begun(attempt))
    }
}

async fn outcome(mut attempt: Attempt) -> Result<Live, Trouble> {
    let told = attempt.wait_for(Option::is_some).await;
    told.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(Trouble::Background))
}

impl Parts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt(&self) -> Result<Live, Trouble> {
        let deaf = self.state().current.clone().filter(|live| live.connection.is_cluster());
        if let Some(mut live) = deaf
            && self.hear_again(&mut live).await
        {
            return Ok(live);
        }
        Live::connect(&self.server, &self.line).await
    }

    async fn hear_again(&self, live: &mut Live) -> bool {
        let (config, channel) = (&self.server.config, self.server.channel());
        let heard = in_time(config, live.hear_again(channel)).await;
        let heard = heard.and_then(|heard| heard.map_err(|error| Trouble::from_server(error, config, "SUBSCRIBE")));
        heard.inspect_err(|trouble| tracing::debug!(error = %trouble, "the Cluster is connected to anew")).is_ok()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("current", &self.current).finish_non_exhaustive()
    }
}
