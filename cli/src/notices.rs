//! What the lock store has to tell the user whether or not anything is logged.

use std::fmt;

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use crate::ui::Talk;

/// Says as warnings what comes for [`lock_core::NOTICE`]; nothing else is looked at.
pub(crate) fn start(talk: Talk) {
    let for_users = Targets::new().with_target(lock_core::NOTICE, Level::WARN);
    // Only a second call in one process fails, and then the first one's goes on.
    let _already_started = tracing_subscriber::registry().with(Notices(talk).with_filter(for_users)).try_init();
}

struct Notices(Talk);

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.0.warn(&message.0);
    }
}

/// The text of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
