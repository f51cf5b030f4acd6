//! Texts that the target of an ended delivery may still fetch: a slow one whose sender was killed, or has given up.
//!
//! Such a target is served its own text for a while, whatever is offered to others: the text of the next message would be a
//! draft in a window that it was not meant for. Only a later message to the same client ends this; its windows share one
//! clipboard, and nothing tells which of them asks.

use std::{sync::Arc, time::Duration};

use lock_core::Moment;
use x11rb::{CURRENT_TIME, protocol::xproto::Timestamp};

use super::{
    content::Content,
    request::is_before,
    side::{Holds, Side},
};

/// How long a target may be late.
const LATE_FOR: Duration = Duration::from_secs(5);

/// The text of an ended delivery.
#[derive(Debug)]
pub(super) struct Late {
    /// The target's client.
    pub(super) client: u32,
    /// When the selection was taken for it: requests from before are not for it.
    since: Timestamp,
    content: Arc<Content>,
    until: Moment,
}

impl Side {
    /// What is held is about to make room for something else.
    pub(super) fn await_late_fetch(&mut self) {
        self.late.retain(|late| !late.until.is_past());
        if let Holds::Offer { client, content, fetched: false, .. } = &self.holds {
            let (client, content, since) = (*client, Arc::clone(content), self.since);
            self.late.retain(|late| late.client != client);
            self.late.push(Late { client, since, content, until: Moment::now() + LATE_FOR });
        }
    }

    /// What a request of `client` at `time` is answered with; nothing when it was made before that was there.
    pub(super) fn holds_for(&self, client: u32, time: Timestamp) -> Holds {
        let late = self.late.iter().find(|late| late.client == client && !late.until.is_past());
        // One that names a key press since then is about that.
        let late = late.filter(|_| time == CURRENT_TIME || is_before(time, self.since));
        let (holds, since) = match late {
            // Nobody is there to be told, as of what was there before.
            Some(late) if self.owns() => (Holds::Former(Arc::clone(&late.content)), late.since),
            _ => (self.holds.clone(), self.since),
        };
        if is_before(time, since) { Holds::Nothing } else { holds }
    }
}
