//! What is on its way between the clients and the store.

use crate::server::{Answer, Call};

/// Older messages than this do not differ.
const AGE_MAX: u8 = crate::server::TTL;

/// Its age counts from the sending of the call, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) client: usize,
    pub(crate) age: u8,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    Call(Call),
    Answer(Answer),
    Wake,
}

/// It keeps no order, so states that differ by that alone are one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Network(Vec<Message>);

impl Message {
    pub(crate) const fn is_call(&self) -> bool {
        matches!(self.what, What::Call(_))
    }
}

impl Network {
    pub(crate) fn messages(&self) -> &[Message] {
        &self.0
    }

    pub(crate) fn post(&mut self, client: usize, age: u8, what: What) {
        self.0.push(Message { client, age, what });
        self.0.sort_unstable();
    }

    pub(crate) fn take(&mut self, at: usize) -> Message {
        self.0.remove(at)
    }

    /// All connections break.
    pub(crate) fn cut(&mut self) {
        self.0.clear();
    }

    /// Calls of the client, and answers to it.
    pub(crate) fn in_flight(&self, client: usize) -> usize {
        self.0.iter().filter(|message| message.client == client && message.what != What::Wake).count()
    }

    pub(crate) fn tick(&mut self) {
        self.0.iter_mut().for_each(|message| message.age = (message.age + 1).min(AGE_MAX));
        self.0.sort_unstable();
    }
}
