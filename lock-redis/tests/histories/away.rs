//! A sender says when its client could not ask the server: it may not have been heard then, whatever the reason.

use std::fmt;

use lock_core::Moment;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// What the client notes when a waiter bears that the server does not answer.
const STILL_WAITING: &str = "still waiting";

/// Prints `AWAY MOMENT` for each such note.
pub(crate) struct SaysWhenAway;

/// Whether an event is that note.
struct IsIt(bool);

impl Visit for IsIt {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}") == STILL_WAITING;
    }
}

impl Subscriber for SaysWhenAway {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("lock_redis")
    }

    fn event(&self, event: &Event<'_>) {
        let mut is_it = IsIt(false);
        event.record(&mut is_it);
        if is_it.0 {
            println!("AWAY {}", Moment::now().since_boot_ns());
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
