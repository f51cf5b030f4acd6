//! What a library logs, for who must know when it does something.

use std::fmt;

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Calls `hear`, from now on and in all of this process, with the value of `field` in each event below `target` that has it.
///
/// # Panics
/// When somebody listens already.
pub fn listen(target: &'static str, field: &'static str, hear: impl Fn(&str) + Send + Sync + 'static) {
    tracing::subscriber::set_global_default(Listener { target, field, hear }).expect("nobody else listens");
}

struct Listener<H> {
    target: &'static str,
    field: &'static str,
    hear: H,
}

struct Value {
    of: &'static str,
    text: Option<String>,
}

impl Visit for Value {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == self.of {
            self.text = Some(format!("{value:?}"));
        }
    }
}

impl<H: Fn(&str) + Send + Sync + 'static> Subscriber for Listener<H> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(self.target)
    }

    fn event(&self, event: &Event<'_>) {
        let mut value = Value { of: self.field, text: None };
        event.record(&mut value);
        if let Some(text) = value.text {
            (self.hear)(&text);
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
