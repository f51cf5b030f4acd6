//! Owning a selection, and what is to come back when the senders are done.

use std::{sync::Arc, time::Duration};

use lock_core::Moment;
use x11rb::{
    NONE,
    protocol::{
        Event,
        xproto::{AtomEnum, ConnectionExt as _, PropMode, Timestamp, Window},
    },
    wrapper::ConnectionExt as _,
};

use super::{
    content::Content,
    frame::FromKeeper,
    request::is_before,
    server::Keeper,
    side::{Holds, NotFirm, PutBack, QUIET_BEFORE, Saved},
};
use crate::desktop::{
    Refusal,
    x11::connection::{During as _, SERVER},
};

/// How long what a killed sender offered stays: targets may still be fetching it.
const ORPHANED_FOR: Duration = Duration::from_secs(5);
/// How long the next sender in line may take to offer before what was there is put back in between.
const HANDED_ON_FOR: Duration = Duration::from_secs(2);
/// Between two questions for the server's time: it counts milliseconds.
const ASK_TIME_AGAIN_AFTER: Duration = Duration::from_micros(150);
/// How long the server may take to tell its time.
const TIME_WITHIN: Duration = Duration::from_secs(2);

impl Keeper {
    /// Takes a selection for a sender who clicked at the time `after`; [`Self::make_firm`] is to follow.
    pub(super) fn offer(
        &mut self,
        at: usize,
        peer: u64,
        offer: u64,
        text: &str,
        (after, client): (Option<Timestamp>, u32),
    ) -> Result<FromKeeper, Refusal> {
        let after = after.map_or_else(|| self.server_time(), Ok)?;
        self.sides[at].not_firm = None;
        // Saved at the first offer only: later ones find an offer, and keep what was saved.
        let saved = if self.sides[at].owns() { None } else { Some(self.save(at)?) };
        let content = Arc::new(Content::of_text(text, &self.display.atoms));
        // Until here what was held before is served: a refusal in between would be the answer to somebody's paste.
        let time = self.server_time()?;
        let side = &mut self.sides[at];
        side.put_back = None;
        side.await_late_fetch();
        side.late.retain(|late| late.client != client);
        match std::mem::replace(&mut side.holds, Holds::Offer { peer, offer, client, content, fetched: false }) {
            Holds::Offer { .. } => {}
            Holds::Former(content) => side.former = Some(Saved { content: Some(content), missing: None }),
            Holds::Nothing => side.former = Some(saved.unwrap_or_else(Saved::taken_meanwhile)),
        }
        let owner = self.own(at, time)?;
        if owner == self.window {
            self.sides[at].not_firm = Some(NotFirm { after, ask_at: Moment::now() });
            return Ok(FromKeeper::Offered { offer });
        }
        self.sides[at].holds = Holds::Nothing;
        self.sides[at].former = None;
        Ok(FromKeeper::NotOffered { offer, owner })
    }

    /// Owns an offer since a time later than its click, and tells its sender, once the server's clock has come so far.
    ///
    /// The sender needs not wait for that before its paste key is due: its journal takes as long.
    pub(super) fn make_firm(&mut self, at: usize) -> Result<(), Refusal> {
        let Some(NotFirm { after, .. }) = self.sides[at].not_firm else { return Ok(()) };
        let Holds::Offer { peer, offer, .. } = self.sides[at].holds else { return Ok(()) };
        // News of other owners was passed over until now; what is asked below, or was for the offer, comes after all of it.
        let mut owner = self.window;
        if !is_before(after, self.sides[at].since) {
            let time = self.server_time()?;
            if !is_before(after, time) {
                self.sides[at].not_firm = Some(NotFirm { after, ask_at: Moment::now() + ASK_TIME_AGAIN_AFTER });
                return Ok(());
            }
            owner = self.own(at, time)?;
        }
        self.sides[at].not_firm = None;
        match owner == self.window {
            true => self.tell(peer, &FromKeeper::Firm { offer }),
            false => self.lose(at, owner),
        }
        Ok(())
    }

    pub(super) fn make_firm_due(&mut self) -> Result<(), Refusal> {
        for at in 0..self.sides.len() {
            if self.sides[at].not_firm.is_some_and(|not_firm| not_firm.ask_at.is_past()) {
                self.make_firm(at)?;
            }
        }
        Ok(())
    }

    /// A sender is done with what it offered.
    pub(super) fn restore(&mut self, peer: u64) -> FromKeeper {
        let missing = self.sides.iter().filter(|side| side.is_offered_by(peer));
        let missing = missing.filter_map(|side| side.former.as_ref()?.missing.clone()).next();
        // In a busy line the next sender would save and restore the same again; the last one in it restores.
        let others_wait = self.peers.iter().any(|other| other.number != peer && other.in_line);
        let wait = if others_wait { HANDED_ON_FOR } else { QUIET_BEFORE };
        for side in &mut self.sides {
            if let Holds::Offer { peer: of, fetched, .. } = &mut side.holds
                && *of == peer
            {
                *fetched = true;
                side.put_back = Some(PutBack::after(wait));
            }
        }
        FromKeeper::Restored { missing }
    }

    /// A sender has gone. What it offered stays for a while: its target may be in the middle of fetching.
    pub(super) fn orphan(&mut self, peer: u64) {
        for side in self.sides.iter_mut().filter(|side| side.is_offered_by(peer)) {
            // One that had said that it is done just went home.
            side.put_back.get_or_insert_with(|| PutBack::after(ORPHANED_FOR));
        }
    }

    /// Puts back what is due.
    pub(super) fn put_back_due(&mut self) -> Result<(), Refusal> {
        for at in 0..self.sides.len() {
            if self.sides[at].put_back.is_some_and(|due| due.at.is_past()) {
                self.put_back(at)?;
            }
        }
        Ok(())
    }

    fn put_back(&mut self, at: usize) -> Result<(), Refusal> {
        const DOING: &str = "putting the clipboard back";
        self.sides[at].put_back = None;
        self.sides[at].not_firm = None;
        // The time is read before the owner: a taker in between has a later time, and the server keeps its ownership.
        let time = self.server_time()?;
        let asked = self.display.x.get_selection_owner(self.sides[at].name).during(DOING)?;
        if asked.reply().during(DOING)?.owner != self.window {
            self.lose(at, NONE);
            return Ok(());
        }
        self.sides[at].await_late_fetch();
        match self.sides[at].former.take().and_then(|saved| saved.content) {
            Some(content) => {
                self.sides[at].holds = Holds::Former(content);
                // Owned anew, so that those who watch the clipboard look again.
                let owner = self.own(at, time)?;
                if owner != self.window {
                    self.lose(at, owner);
                }
            }
            None => {
                let side = &mut self.sides[at];
                side.holds = Holds::Nothing;
                // With the time of our own taking: had somebody taken over since, the server would ignore it.
                self.display.x.set_selection_owner(NONE, side.name, side.since).during(DOING)?;
            }
        }
        Ok(())
    }

    /// Who owns a selection now.
    pub(super) fn owner(&self, at: usize) -> Result<Window, Refusal> {
        const DOING: &str = "asking for the clipboard's owner";
        Ok(self.display.x.get_selection_owner(self.sides[at].name).during(DOING)?.reply().during(DOING)?.owner)
    }

    /// Becomes the owner; returns who is.
    fn own(&mut self, at: usize, time: Timestamp) -> Result<Window, Refusal> {
        const DOING: &str = "taking the clipboard";
        let name = self.sides[at].name;
        self.sides[at].since = time;
        self.display.x.set_selection_owner(self.window, name, time).during(DOING)?;
        Ok(self.display.x.get_selection_owner(name).during(DOING)?.reply().during(DOING)?.owner)
    }

    /// Somebody else has the selection now.
    pub(super) fn lose(&mut self, at: usize, owner: Window) {
        let side = &mut self.sides[at];
        side.await_late_fetch();
        side.former = None;
        side.put_back = None;
        side.not_firm = None;
        if let Holds::Offer { peer, offer, .. } = std::mem::replace(&mut side.holds, Holds::Nothing) {
            self.tell(peer, &FromKeeper::Taken { offer, owner });
        }
    }

    /// The server's time now, from a change that it stamps. `CurrentTime` would win over later takers.
    pub(super) fn server_time(&mut self) -> Result<Timestamp, Refusal> {
        let property = self.display.atoms._TALKSTICK_TIME;
        let window = self.window;
        let asked = self.display.x.change_property8(PropMode::APPEND, window, property, AtomEnum::STRING, &[]);
        asked.during("asking for the server's time")?;
        let stamped = |event: &Event| match event {
            Event::PropertyNotify(change) if change.window == window && change.atom == property => Some(change.time),
            _ => None,
        };
        self.await_event(Moment::now() + TIME_WITHIN, stamped)?.ok_or(Refusal::Grabbed { device: SERVER })
    }
}
