//! The sweep: a look now and then whether all is well, should a wake-up have been lost.
//!
//! A look is a handful of reads, however long the line is, and while nobody has changed the database since the last one
//! (`PRAGMA data_version`), fewer.

use std::time::Duration;

use lock_core::{FencingToken, Moment, Ticket};

use crate::{
    baton::Life,
    entry::{Record, Rest},
    error::Trouble,
    key::Key,
    layout::Kind,
    queries,
    store::Database,
    waiting::PASS_OVER_AFTER,
};

/// What the sweep remembers of one wait.
pub(crate) struct Watch {
    ticket: Ticket,
    sight: Sight,
    /// The database, and its state, in which our row was as it should be.
    seen_in: Option<(u64, i64)>,
    pauses: Box<dyn Iterator<Item = Duration> + Send>,
}

/// What the task must see to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// A ticket, a file or a thread is not where it should be, or the database is not.
    Disorder,
    /// The head of the line leaves a free lock lying.
    Free { since: Moment },
}

/// What a waiter has seen of the lock.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Held at that time, by whomever.
    Held { at: Moment },
    /// Free since then, and after the lease with this token.
    Free { since: Moment, last_token: FencingToken },
}

impl Watch {
    pub(crate) fn new(key: &Key, ticket: &Ticket) -> Self {
        let sight = Sight::Held { at: Moment::now() };
        let pauses = Box::new(key.store.config.sweep.pauses());
        Self { ticket: ticket.clone(), sight, seen_in: None, pauses }
    }

    /// When to look next.
    pub(crate) fn next(&mut self) -> Moment {
        let pause = Moment::now() + self.pauses.next().unwrap_or(PASS_OVER_AFTER);
        match self.sight {
            Sight::Free { since, .. } => pause.min(since + PASS_OVER_AFTER),
            Sight::Held { .. } => pause,
        }
    }

    /// One look.
    pub(crate) fn look(&mut self, key: &Key) -> Result<Option<Found>, Trouble> {
        if key.nobody_sleeps_for(&self.ticket) {
            return Ok(Some(Found::Disorder));
        }
        let store = std::sync::Arc::clone(&key.store);
        let seen = store.read(|database| {
            let in_order = self.is_in_order(key, database)?;
            let record = queries::record(&database.connection, &key.name).map_err(Trouble::sql("read", &store.path))?;
            Ok((in_order, self.seen(database, record)?))
        })?;
        let Some((true, sight)) = seen else { return Ok(Some(Found::Disorder)) };
        self.sight = sight;
        Ok(match sight {
            Sight::Free { since, .. } if (since + PASS_OVER_AFTER).is_past() => Some(Found::Free { since }),
            _ => None,
        })
    }

    /// Whether our place and our row are where they should be.
    fn is_in_order(&mut self, key: &Key, database: &Database) -> Result<bool, Trouble> {
        let Some(place) = key.table().wake.clone() else { return Ok(key.is_granted(&self.ticket)) };
        if !database.opened.batons.is_in_place(Kind::Line, &place)? {
            return Ok(false);
        }
        let failed = || Trouble::sql("read", &key.store.path);
        let state = (database.opened.opening, queries::data_version(&database.connection).map_err(failed())?);
        if self.seen_in == Some(state) {
            return Ok(true);
        }
        let Ticket { number, request, .. } = self.ticket;
        let rest = queries::rest(&database.connection, &key.name, number, request).map_err(failed())?;
        let in_order = rest == Some(Rest::Awake) || key.is_granted(&self.ticket);
        self.seen_in = in_order.then_some(state);
        Ok(in_order)
    }

    /// Whether the lock is free, and since when.
    fn seen(&self, database: &Database, record: Option<Record>) -> Result<Sight, Trouble> {
        let (life, last_token) = match record {
            Some(record) => (database.opened.batons.life(Kind::Lease, record.baton)?, record.last_token),
            None => (Life::Over { released_ns: 0 }, FencingToken(0)),
        };
        let Life::Over { released_ns } = life else { return Ok(Sight::Held { at: Moment::now() }) };
        let at = match self.sight {
            Sight::Free { last_token: same, .. } if same == last_token => return Ok(self.sight),
            Sight::Free { since: at, .. } | Sight::Held { at } => at,
        };
        // A release since the last look counts from its own time, and a death from now.
        let released = Moment::from_since_boot_ns(released_ns);
        let since = if released > at { released } else { Moment::now() };
        Ok(Sight::Free { since, last_token })
    }
}

impl Key {
    fn is_granted(&self, ticket: &Ticket) -> bool {
        self.table().tickets.get(&ticket.request).is_none_or(|waiting| waiting.granted)
    }

    /// Whether no thread of ours would hear that it is our turn.
    fn nobody_sleeps_for(&self, ticket: &Ticket) -> bool {
        let table = self.table();
        let waits = table.tickets.get(&ticket.request).is_some_and(|waiting| !waiting.granted);
        waits && table.baton_sleeper.is_none() && table.sleepers.is_empty() && !table.starting
    }
}
