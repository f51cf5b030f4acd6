//! One selection: what is served, and what is to come back.

use std::{sync::Arc, time::Duration};

use lock_core::Moment;
use x11rb::protocol::xproto::{Atom, Timestamp};

use super::{content::Content, late::Late};

/// How long nobody may have asked before what was there is put back. A target that stalls in the middle of its requests
/// (Chromium makes seventeen for one paste) would find the former content and paste nothing, or that. The sender does not
/// wait for this.
pub(super) const QUIET_BEFORE: Duration = Duration::from_millis(250);
/// How long questions may put it off: some programs ask again and again.
const PUT_OFF_FOR: Duration = Duration::from_secs(1);

/// One selection.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: Atom,
    pub(super) holds: Holds,
    /// When it was taken, by the server's clock: requests from before are not for what is held now.
    pub(super) since: Timestamp,
    /// What was there before the first offer; `None` while no offer is held.
    pub(super) former: Option<Saved>,
    /// When to put it back unless another offer comes.
    pub(super) put_back: Option<PutBack>,
    /// Owned since a time that is not yet later than the click's.
    pub(super) not_firm: Option<NotFirm>,
    /// What targets of ended deliveries may still fetch.
    pub(super) late: Vec<Late>,
}

/// A selection that a late claim could still take away.
///
/// A selection that is owned since a later time stays ours when a target handles only now what was clicked before the
/// offer, and takes the selection for that click, as a terminal does that marks the word under a double click: the server
/// compares times, and lets the later or equal one win. It counts milliseconds, and a click may be that young.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotFirm {
    /// The click's time.
    pub(super) after: Timestamp,
    /// When to ask the server for its time again.
    pub(super) ask_at: Moment,
}

/// When to put the former content back.
#[derive(Debug, Clone, Copy)]
pub(super) struct PutBack {
    pub(super) at: Moment,
    /// Questions put it off until then.
    at_latest: Moment,
}

impl PutBack {
    pub(super) fn after(wait: Duration) -> Self {
        let at = Moment::now() + wait;
        Self { at, at_latest: at + PUT_OFF_FOR }
    }
}

/// What the keeper serves.
#[derive(Debug, Clone)]
pub(super) enum Holds {
    /// The selection is somebody else's.
    Nothing,
    Offer {
        peer: u64,
        offer: u64,
        /// The target's client.
        client: u32,
        content: Arc<Content>,
        /// The target has fetched all of it: its sender said that it is done.
        fetched: bool,
    },
    /// What was there before, until somebody takes over.
    Former(Arc<Content>),
}

impl Holds {
    pub(super) fn content(&self) -> Option<&Arc<Content>> {
        match self {
            Self::Nothing => None,
            Self::Offer { content, .. } | Self::Former(content) => Some(content),
        }
    }
}

/// What was there before the first offer.
#[derive(Debug, Clone, Default)]
pub(super) struct Saved {
    /// `None`: the selection had no owner.
    pub(super) content: Option<Arc<Content>>,
    /// What could not be saved, for the sender's report.
    pub(super) missing: Option<String>,
}

impl Saved {
    /// Somebody took the selection in the instant between our question for the time and our own taking.
    pub(super) fn taken_meanwhile() -> Self {
        Self { content: None, missing: Some("somebody else used the clipboard in the same instant".into()) }
    }
}

impl Side {
    pub(super) fn new(name: Atom) -> Self {
        Self { name, holds: Holds::Nothing, since: 0, former: None, put_back: None, not_firm: None, late: Vec::new() }
    }

    pub(super) fn owns(&self) -> bool {
        !matches!(self.holds, Holds::Nothing)
    }

    /// Somebody has asked: what was there before waits a little longer.
    pub(super) fn put_off(&mut self) {
        if let Some(put_back) = &mut self.put_back {
            let at = Moment::now() + QUIET_BEFORE;
            put_back.at = put_back.at.max(at.min(put_back.at_latest));
        }
    }

    pub(super) fn is_offered_by(&self, peer: u64) -> bool {
        matches!(self.holds, Holds::Offer { peer: of, .. } if of == peer)
    }
}
