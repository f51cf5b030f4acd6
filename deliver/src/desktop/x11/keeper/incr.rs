//! Answers that are too long for one property: piece by piece, each when the requestor has taken the one before (INCR).

use std::time::Duration;

use lock_core::Moment;
use x11rb::{
    connection::RequestConnection as _,
    protocol::xproto::{
        Atom, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropMode, Property, PropertyNotifyEvent, Window,
    },
    wrapper::ConnectionExt as _,
};

use super::{
    content::Format,
    frame::FromKeeper,
    request::{Answer, Asked},
    server::Keeper,
    side::Holds,
};
use crate::desktop::{
    Refusal,
    x11::connection::{During as _, unless_gone},
};

const DOING: &str = "passing a long text on";
/// Longer answers go in pieces: some requestors and all servers limit what one property may hold.
const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// Of one piece.
const PIECE_BYTES: usize = 64 * 1024;
/// At once; a requestor that never takes its pieces holds one until it is given up.
const TRANSFERS_MAX: usize = 64;
/// How long a requestor may take for a piece.
const PIECE_WITHIN: Duration = Duration::from_secs(10);

/// One answer on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    requestor: Window,
    property: Atom,
    format: Format,
    sent: usize,
    /// Who is told, of which offer; nobody for what was there before.
    receipt: Option<(u64, u64)>,
    requested_at_ns: u64,
    give_up_at: Moment,
}

impl Keeper {
    pub(super) fn goes_in_pieces(&self, format: &Format) -> bool {
        // Without big requests a server takes less than our own bound; the request's header has its share.
        format.bytes.len() > WHOLE_BYTES_MAX.min(self.display.x.maximum_request_bytes() / 2)
    }

    /// Announces the pieces.
    pub(super) fn begin_pieces(&mut self, asked: &Asked, property: Atom, format: Format) -> Result<Answer, Refusal> {
        let Asked { requestor, requested_at_ns, .. } = *asked;
        if self.transfers.len() >= TRANSFERS_MAX {
            return Ok(Answer::Refused);
        }
        let selected = ChangeWindowAttributesAux::new().event_mask(pieces_events());
        self.display.x.change_window_attributes(requestor, &selected).during(DOING)?;
        let size = [u32::try_from(format.bytes.len()).unwrap_or(u32::MAX)];
        let incr = self.display.atoms.INCR;
        let announced = self.display.x.change_property32(PropMode::REPLACE, requestor, property, incr, &size);
        if unless_gone(announced.during(DOING)?.check(), DOING)?.is_none() {
            return Ok(Answer::Refused);
        }
        let receipt = match asked.holds {
            Holds::Offer { peer, offer, .. } => Some((peer, offer)),
            _ => None,
        };
        let give_up_at = Moment::now() + PIECE_WITHIN;
        // A requestor that asks again into the same property has forgotten the first answer.
        self.transfers.retain(|transfer| (transfer.requestor, transfer.property) != (requestor, property));
        let transfer = Transfer { requestor, property, format, sent: 0, receipt, requested_at_ns, give_up_at };
        self.transfers.push(transfer);
        Ok(Answer::InPieces)
    }

    /// A requestor has taken a piece: the next one, an empty one at the end.
    pub(super) fn next_piece(&mut self, change: &PropertyNotifyEvent) -> Result<(), Refusal> {
        let taken = |transfer: &Transfer| transfer.requestor == change.window && transfer.property == change.atom;
        let Some(at) = self.transfers.iter().position(taken) else { return Ok(()) };
        if change.state != Property::DELETE {
            return Ok(());
        }
        let transfer = &mut self.transfers[at];
        let element = usize::from(transfer.format.bits / 8);
        let rest = &transfer.format.bytes[transfer.sent..];
        let piece = &rest[..rest.len().min(PIECE_BYTES)];
        let elements = u32::try_from(piece.len() / element).unwrap_or(0);
        let (requestor, property, kind, bits) =
            (transfer.requestor, transfer.property, transfer.format.kind, transfer.format.bits);
        let asked = self.display.x.change_property(PropMode::APPEND, requestor, property, kind, bits, elements, piece);
        let written = unless_gone(asked.during(DOING)?.check(), DOING)?.is_some();
        transfer.sent += piece.len();
        transfer.give_up_at = Moment::now() + PIECE_WITHIN;
        if !piece.is_empty() && written {
            return Ok(());
        }
        let done = self.transfers.remove(at);
        self.leave(requestor)?;
        if let (Some((peer, offer)), true) = (done.receipt, written) {
            let (text, requested_at_ns) = (done.format.is_text, done.requested_at_ns);
            self.tell(peer, &FromKeeper::Served { offer, requestor, text, in_pieces: true, requested_at_ns });
        }
        Ok(())
    }

    /// Forgets answers whose requestor has gone, or does not take its pieces.
    pub(super) fn give_up_transfers(&mut self, gone: Option<Window>) -> Result<(), Refusal> {
        let given_up: Vec<Window> = self
            .transfers
            .extract_if(.., |transfer| Some(transfer.requestor) == gone || transfer.give_up_at.is_past())
            .map(|transfer| transfer.requestor)
            .collect();
        given_up.into_iter().try_for_each(|requestor| self.leave(requestor))
    }

    pub(super) fn first_give_up(&self) -> Option<Moment> {
        self.transfers.iter().map(|transfer| transfer.give_up_at).min()
    }

    pub(super) fn sends_pieces_to(&self, requestor: Window) -> bool {
        self.transfers.iter().any(|transfer| transfer.requestor == requestor)
    }
}

/// What is to be heard of a requestor that takes pieces.
pub(super) fn pieces_events() -> EventMask {
    EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY
}
