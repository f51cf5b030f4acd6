//! The simulated desktop as its senders see it.

use std::{io, time::Duration};

use lock_core::{Moment, Permit};

use super::{
    Address,
    connection::Connection,
    wire::{Reply, Request, SimulatedError},
};
use crate::{
    MessageId,
    desktop::{Bound, Chord, Desktop, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent},
};

/// A connection to a simulated desktop that delivers verified.
#[derive(Debug)]
pub struct SimulatedDesktop {
    connection: Connection,
}

impl SimulatedDesktop {
    /// Connects.
    ///
    /// # Errors
    /// [`Refusal::NoDisplay`]: nobody listens there.
    pub fn connect(address: &Address) -> Result<Self, Refusal> {
        let refused = |e: SimulatedError| Refusal::NoDisplay {
            display: format!("{address:?}"),
            why: format!("{e}: {}", e.source),
        };
        Ok(Self { connection: Connection::open(address).map_err(refused)? })
    }

    fn ask(&mut self, during: &'static str, request: &Request, within: Duration) -> Result<Reply, Refusal> {
        match self.connection.ask(request, within) {
            Ok(Reply::Refused { refused }) => Err(refused.into()),
            Ok(Reply::Failed { message }) => Err(Refusal::Disconnected { during, why: message }),
            Ok(reply) => Ok(reply),
            Err(e) => Err(Refusal::Disconnected { during, why: e.to_string() }),
        }
    }

    /// Asks under the permit, held against it one last time.
    fn act(&mut self, permit: &Permit<'_>, during: &'static str, request: &Request) -> Result<Reply, Refusal> {
        permit.check().map_err(|lost| Refusal::LeaseLost(lost.to_string()))?;
        self.ask(during, request, Duration::ZERO)
    }
}

fn unexpected(during: &'static str, reply: &Reply) -> Refusal {
    let why = io::Error::new(io::ErrorKind::InvalidData, format!("an answer to another question: {reply:?}"));
    Refusal::Disconnected { during, why: why.to_string() }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Desktop for SimulatedDesktop {
    fn sight(&self) -> Sight {
        Sight::FULL
    }

    fn watch(&mut self, _: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        let request = Request::Watch { idle_ms: milliseconds(idle) };
        self.ask("looking for a person", &request, Duration::ZERO).map(|_| Vec::new())
    }

    fn unwatch(&mut self) {
        if let Err(refusal) = self.ask("watching no longer", &Request::Unwatch, Duration::ZERO) {
            tracing::debug!(%refusal, "the watch ended with its connection");
        }
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        let by = hindrance.map(|refusal| refusal.code().to_owned()).unwrap_or_default();
        let window = target.map(|target| target.window);
        let request = Request::StillHindered { by, window, idle_ms: milliseconds(idle) };
        Refusal::still_hindering(self.ask("looking at what is in the way", &request, Duration::ZERO).map(drop))
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        let within = until.remaining();
        let request = Request::AwaitChange { within_ms: milliseconds(within) };
        self.ask("waiting for a change", &request, within).map(drop)
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        match self.ask("finding the target", &Request::Bind { place: place.clone() }, Duration::ZERO)? {
            Reply::Bound { window, client, point, description } => Ok(Bound { window, client, point, description }),
            other => Err(unexpected("finding the target", &other)),
        }
    }

    fn sweep(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        match self.act(permit, "sweeping", &Request::Sweep)? {
            Reply::Swept { released } => Ok(released),
            other => Err(unexpected("sweeping", &other)),
        }
    }

    fn click(&mut self, permit: &Permit<'_>, target: &Bound) -> Result<(), Refusal> {
        self.act(permit, "clicking", &Request::Click { window: target.window }).map(drop)
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        let within = until.remaining();
        let request = Request::AwaitFocus { window: target.window, within_ms: milliseconds(within) };
        self.ask("waiting for the focus", &request, within)?;
        Ok(InputBox::NotTold)
    }

    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal> {
        self.act(permit, "taking the clipboard", &Request::Offer { text: text.to_owned(), selection }).map(drop)
    }

    fn paste(
        &mut self,
        permit: &Permit<'_>,
        target: &Bound,
        chord: &Chord,
        id: &MessageId,
    ) -> Result<Option<Unsent>, Refusal> {
        const DOING: &str = "pressing the paste key";
        match self.act(
            permit,
            DOING,
            &Request::Paste { window: target.window, chord: chord.clone(), id: id.clone() },
        )? {
            Reply::Pasted { unsent } => Ok(unsent),
            other => Err(unexpected(DOING, &other)),
        }
    }

    fn submit(&mut self, permit: &Permit<'_>, target: &Bound, chord: &Chord, seen: bool) -> Result<(), Refusal> {
        let request = Request::Submit { window: target.window, chord: chord.clone(), seen };
        self.act(permit, "pressing Enter", &request).map(drop)
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        let within = until.remaining();
        let request = Request::AwaitFetched {
            window: target.window,
            fetches: rule.fetches,
            quiet_us: u64::try_from(rule.quiet.as_micros()).unwrap_or(u64::MAX),
            within_ms: milliseconds(within),
        };
        match self.ask("waiting for the target to fetch", &request, within)? {
            Reply::Fetched { by_target, by_others } => {
                // Its windows ask for nothing but texts, as often as they were made to.
                Ok(Fetched { by_target, by_others, requests: by_target, finished: true, ..Fetched::default() })
            }
            other => Err(unexpected("waiting for the target to fetch", &other)),
        }
    }

    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal> {
        self.act(permit, "giving the clipboard back", &Request::Restore).map(drop)
    }
}
