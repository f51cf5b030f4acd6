//! Answering those who ask for a selection.

use lock_core::Moment;
use x11rb::{
    CURRENT_TIME, NONE,
    protocol::xproto::{
        Atom, AtomEnum, ConnectionExt as _, EventMask, PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent,
        SelectionRequestEvent, Timestamp, Window,
    },
    wrapper::ConnectionExt as _,
};

use super::{content::Format, frame::FromKeeper, server::Keeper, side::Holds};
use crate::desktop::{
    Refusal,
    x11::connection::{During as _, unless_gone},
};

const DOING: &str = "answering a request for the clipboard";
/// Pairs of one MULTIPLE request.
const PAIRS_MAX: u32 = 64;

/// A request, and what it is answered with.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) requestor: Window,
    pub(super) holds: Holds,
    /// When the selection was taken.
    since: Timestamp,
    /// When the request was read, in nanoseconds since boot.
    pub(super) requested_at_ns: u64,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Refused,
    /// A list of formats, or another answer that holds no text.
    Other,
    Text,
    /// The text goes in pieces; the receipt follows the last one.
    InPieces,
}

impl Keeper {
    /// Answers one request, and tells its sender when the server has passed the answer on.
    pub(super) fn serve_request(&mut self, request: &SelectionRequestEvent) -> Result<(), Refusal> {
        let requested_at_ns = Moment::now().since_boot_ns();
        // Requestors of old times name no property and mean the target's name.
        let property = if request.property == NONE { request.target } else { request.property };
        let side = self.sides.iter().position(|side| side.name == request.selection);
        // A window of ours is not for others to name: what is heard of it would change with their requests.
        let side = side.filter(|_| request.requestor != self.window && request.owner == self.window);
        let client = self.display.client_of(request.requestor);
        let holds = side.map_or(Holds::Nothing, |at| self.sides[at].holds_for(client, request.time));
        let since = side.map_or(CURRENT_TIME, |at| self.sides[at].since);
        let asked = Asked { requestor: request.requestor, holds, since, requested_at_ns };
        if let Some(text) = self.is_answered_whole(&asked, request.target) {
            self.watch_reading(&asked, property, text)?;
        }
        let answer = self.convert(&asked, property, request.target)?;
        let notice = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if answer == Answer::Refused { NONE } else { property },
        };
        let sent = self.display.x.send_event(false, request.requestor, EventMask::NO_EVENT, notice).during(DOING)?;
        // Only then may the sender go on: its Enter travels on another connection and could overtake this answer.
        let passed_on = unless_gone(sent.check(), DOING)?.is_some();
        if let Some(at) = side.filter(|_| asked.holds.content().is_some()) {
            self.sides[at].put_off();
        }
        if let (Holds::Offer { peer, offer, .. }, true) = (asked.holds, passed_on) {
            let (requestor, text, in_pieces) = (request.requestor, answer == Answer::Text, false);
            match answer {
                Answer::Text | Answer::Other => {
                    self.tell(peer, &FromKeeper::Served { offer, requestor, text, in_pieces, requested_at_ns });
                }
                Answer::Refused => self.tell(peer, &FromKeeper::Refused { offer, requestor, requested_at_ns }),
                Answer::InPieces => {}
            }
        }
        Ok(())
    }

    /// Whether the answer will be a text, when it will lie whole in one property; `None` when there will be none such.
    fn is_answered_whole(&self, asked: &Asked, target: Atom) -> Option<bool> {
        let content = asked.holds.content()?;
        if target == self.display.atoms.TARGETS {
            return Some(false);
        }
        let format = content.find(target)?;
        (!self.goes_in_pieces(format)).then_some(format.is_text)
    }

    /// Writes one target's answer into the requestor's property.
    fn convert(&mut self, asked: &Asked, property: Atom, target: Atom) -> Result<Answer, Refusal> {
        let (atoms, requestor) = (self.display.atoms, asked.requestor);
        let Some(content) = asked.holds.content() else { return Ok(Answer::Refused) };
        if target == atoms.TARGETS {
            let mut targets = vec![atoms.TARGETS, atoms.TIMESTAMP, atoms.MULTIPLE, atoms.SAVE_TARGETS];
            targets.extend(content.formats.iter().map(|format| format.target));
            return self.write32(requestor, property, AtomEnum::ATOM.into(), &targets);
        }
        if target == atoms.TIMESTAMP {
            return self.write32(requestor, property, AtomEnum::INTEGER.into(), &[asked.since]);
        }
        if target == atoms.SAVE_TARGETS {
            return self.write32(requestor, property, atoms.NULL, &[]);
        }
        if target == atoms.MULTIPLE {
            return self.convert_multiple(asked, property);
        }
        match content.find(target) {
            Some(format) if self.goes_in_pieces(format) => self.begin_pieces(asked, property, format.clone()),
            Some(format) => self.write(requestor, property, format),
            None => Ok(Answer::Refused),
        }
    }

    /// Several targets in one request: the property lists target and property of each, and is told which failed.
    fn convert_multiple(&mut self, asked: &Asked, property: Atom) -> Result<Answer, Refusal> {
        let requestor = asked.requestor;
        let list = self.display.x.get_property(false, requestor, property, AtomEnum::ANY, 0, PAIRS_MAX * 2);
        let Some(list) = unless_gone(list.during(DOING)?.reply(), DOING)? else { return Ok(Answer::Refused) };
        let Some(values) = list.value32() else { return Ok(Answer::Refused) };
        let mut pairs: Vec<u32> = values.collect();
        let mut best = Answer::Other;
        for pair in pairs.chunks_exact_mut(2) {
            let (target, into) = (pair[0], pair[1]);
            // A MULTIPLE inside a MULTIPLE would let a requestor choose how deep we go.
            let answer = match target == self.display.atoms.MULTIPLE || into == NONE {
                true => Answer::Refused,
                false => self.convert(asked, into, target)?,
            };
            match answer {
                Answer::Refused => pair[1] = NONE,
                Answer::Text => best = Answer::Text,
                Answer::Other | Answer::InPieces => {}
            }
        }
        match self.write32(requestor, property, self.display.atoms.ATOM_PAIR, &pairs)? {
            Answer::Refused => Ok(Answer::Refused),
            _ => Ok(best),
        }
    }

    pub(super) fn write(&self, requestor: Window, property: Atom, format: &Format) -> Result<Answer, Refusal> {
        let elements = u32::try_from(format.bytes.len() / usize::from(format.bits / 8)).unwrap_or(0);
        let mode = PropMode::REPLACE;
        let asked = self.display.x.change_property(
            mode,
            requestor,
            property,
            format.kind,
            format.bits,
            elements,
            &format.bytes,
        );
        let written = unless_gone(asked.during(DOING)?.check(), DOING)?;
        Ok(match (written, format.is_text) {
            (None, _) => Answer::Refused,
            (Some(()), true) => Answer::Text,
            (Some(()), false) => Answer::Other,
        })
    }

    fn write32(&self, requestor: Window, property: Atom, kind: Atom, values: &[u32]) -> Result<Answer, Refusal> {
        let asked = self.display.x.change_property32(PropMode::REPLACE, requestor, property, kind, values);
        let written = unless_gone(asked.during(DOING)?.check(), DOING)?;
        Ok(if written.is_some() { Answer::Other } else { Answer::Refused })
    }
}

/// Whether a request was made before we owned the selection. Its answer would be what it did not ask for: the text of the
/// next message instead of this one's. The server's clock wraps after 49 days; zero is "now".
pub(super) fn is_before(time: Timestamp, since: Timestamp) -> bool {
    time != 0 && since.wrapping_sub(time).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn old_requests_are_told_from_new_ones_across_the_clock_s_wrap() {
        assert!(is_before(100, 200) && !is_before(200, 100) && !is_before(200, 200));
        assert!(!is_before(0, 200), "zero is the present");
        assert!(is_before(u32::MAX - 5, 10) && !is_before(10, u32::MAX - 5));
    }
}
