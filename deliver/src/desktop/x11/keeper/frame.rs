//! What senders and the keeper say to each other, and how it lies on the socket.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::desktop::Selection;

/// Of this protocol. A keeper may be older or newer than a sender: they refuse each other instead of guessing.
pub(super) const VERSION: u32 = 4;

/// Bytes of one frame: far above any message's cap (64 KiB by default), far below what would hurt.
pub(super) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// From a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum ToKeeper {
    /// Own this selection with this text, until [`Self::Restore`].
    Offer {
        /// Which offer; receipts carry it.
        offer: u64,
        selection: Selection,
        text: String,
        /// The server's time of the click before it; without, the time when the offer is read.
        after: Option<u32>,
        /// The resource base of the target's client; 0 when no target is bound.
        client: u32,
    },
    /// The sender is done, and its target, too: give back what was there before.
    Restore,
}

/// From the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) enum FromKeeper {
    /// The first word.
    Welcome {
        version: u32,
        /// The window that owns selections.
        window: u32,
        /// Also written on that window: sender and keeper are then on the same server, not on two of one number.
        nonce: u64,
    },
    /// The selection is owned, confirmed by the server.
    Offered { offer: u64 },
    /// It is owned since a time later than the click's: a claim for that click, made late, cannot take it away any more.
    Firm { offer: u64 },
    /// The selection could not be owned; this window has it instead.
    NotOffered { offer: u64, owner: u32 },
    /// A request was answered and the server has passed the answer on.
    Served {
        offer: u64,
        /// The window that asked.
        requestor: u32,
        /// Whether it was the text, and not a list of formats.
        text: bool,
        /// It went in pieces, and the requestor has taken the last one.
        in_pieces: bool,
        /// When the request was read, in nanoseconds since boot.
        requested_at_ns: u64,
    },
    /// The requestor has deleted the answer that it was served: it has read it.
    Read {
        offer: u64,
        requestor: u32,
        /// As of [`Self::Served`].
        text: bool,
        requested_at_ns: u64,
    },
    /// A request was refused: for a format that is not offered, or the answer could not be given.
    Refused { offer: u64, requestor: u32, requested_at_ns: u64 },
    /// Somebody else has taken the selection.
    Taken { offer: u64, owner: u32 },
    /// The former content comes back when the target is quiet and nobody in line offers; what was not saved is named.
    Restored { missing: Option<String> },
}

/// Bytes that were read, up to whole frames.
#[derive(Debug, Default)]
pub(super) struct Inflow {
    bytes: Vec<u8>,
}

/// A peer that does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("a frame of {0} bytes, more than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("a frame that cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

impl Inflow {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, BadFrame> {
        let Some(header) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
        // Before anything of that length is waited for.
        if length > FRAME_BYTES_MAX {
            return Err(BadFrame::TooLong(length));
        }
        let Some(body) = self.bytes.get(4..4 + length) else { return Ok(None) };
        let frame = serde_json::from_slice(body)?;
        self.bytes.drain(..4 + length);
        Ok(Some(frame))
    }
}

/// A frame as it goes on the socket.
pub(super) fn frame<T: Serialize>(message: &T) -> Result<Vec<u8>, BadFrame> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(header) if length <= FRAME_BYTES_MAX => bytes[..4].copy_from_slice(&header.to_le_bytes()),
        _ => return Err(BadFrame::TooLong(length)),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_whatever_pieces_they_come_in() {
        let (selection, text) = (Selection::Primary, "a\u{1f642}\n".into());
        let offer = ToKeeper::Offer { offer: 7, selection, text, after: None, client: 9 };
        let mut bytes = frame(&offer).unwrap();
        bytes.extend(frame(&ToKeeper::Restore).unwrap());
        let mut inflow = Inflow::default();
        let mut read = Vec::new();
        for byte in bytes {
            inflow.push(&[byte]);
            read.extend(inflow.next::<ToKeeper>().unwrap());
        }
        assert_eq!(read, [offer, ToKeeper::Restore]);
    }

    #[test]
    fn hostile_frames_are_refused_before_they_cost_anything() {
        let mut inflow = Inflow::default();
        inflow.push(&u32::MAX.to_le_bytes());
        assert!(matches!(inflow.next::<ToKeeper>(), Err(BadFrame::TooLong(_))));
        for body in ["", "nonsense", "{\"Offer\":{}}", "{\"Restore\":null,\"more\":1}"] {
            let mut inflow = Inflow::default();
            inflow.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
            inflow.push(body.as_bytes());
            assert!(inflow.next::<ToKeeper>().is_err(), "{body}");
        }
    }
}
