//! The holder's record: the last token, and who has the gate. Written only by who has the gate.

use std::{fs::File, io};

use lock_core::{FencingToken, Moment, Owner, Request, RequestId, SecretHash, dir};

use crate::record::{u32_at, u64_at};

const MAGIC: &[u8; 8] = b"tstkhd01";
/// One write of less than a page: a killed writer leaves the old record or the new one. The owner takes what the fixed
/// part leaves: a host name of 255 bytes and a label of 64 fit, escaped.
const RECORD: usize = 1024;
const OWNER: usize = 112;
const REQUEST: usize = 24;

/// What the file says. The token is last for ever; the rest is of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The last token that was granted, 0 when unknown.
    pub(crate) last_token: FencingToken,
    /// Nanoseconds since boot of the last release, 0 while held or unknown.
    pub(crate) released_ns: u64,
    /// The highest ticket number that was granted, 0 when unknown: numbers grow although the clock was set back.
    pub(crate) last_ticket: u64,
    /// The request that was granted last, if known. Its ticket may still stand in line, and waits no more.
    pub(crate) last_request: Option<RequestId>,
    pub(crate) held: Option<Held>,
}

/// A lease in the file; its token and request are the record's last ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) ticket: u64,
    pub(crate) secret: SecretHash,
    pub(crate) since_us: u64,
    pub(crate) owner: Owner,
}

impl Record {
    /// Reads the record. A damaged one reads as empty: tokens then go on from the clock and from what clients remember.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        // Without the gate a write may be seen half done; the next look sees it whole.
        let mut bytes = [0; RECORD];
        for _ in 0..3 {
            let length = dir::read_at(file, &mut bytes, 0)?;
            if let Some(record) = Self::decode(&bytes[..length]) {
                return Ok(record);
            }
            if length == 0 {
                break;
            }
        }
        Ok(Self::default())
    }

    /// The request that was granted last, for who need not know more: without its checksum, for no damage makes it the
    /// request of a ticket.
    pub(crate) fn last_request_in(file: &File) -> io::Result<Option<RequestId>> {
        let mut bytes = [0; 16];
        dir::read_at(file, &mut bytes, REQUEST as u64)?;
        Ok(request_in(bytes))
    }

    /// The record of the lease that follows this one.
    pub(crate) fn next(&self, request: &Request, ticket: u64, since_us: u64) -> Self {
        let (secret, owner) = (request.secret_hash, request.owner.clone());
        Self {
            last_token: FencingToken::next(self.last_token, request.floor, since_us),
            released_ns: 0,
            last_ticket: self.last_ticket.max(ticket),
            last_request: Some(request.id),
            held: Some(Held { ticket, secret, since_us, owner }),
        }
    }

    /// The record after the release of this lease.
    pub(crate) fn released(&self) -> Self {
        Self { released_ns: Moment::now().since_boot_ns(), held: None, ..*self }
    }

    pub(crate) fn write(&self, file: &File) -> io::Result<()> {
        dir::write_at(file, &self.encode(), 0)
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.last_token.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.released_ns.to_le_bytes());
        bytes[96..104].copy_from_slice(&self.last_ticket.to_le_bytes());
        let request = self.last_request.map_or(0, |request| request.0);
        bytes[REQUEST..REQUEST + 16].copy_from_slice(&request.to_le_bytes());
        if let Some(held) = &self.held {
            let owner = serde_json::to_vec(&held.owner).unwrap_or_default();
            // A record without its owner would not name the holder; no owner is that long.
            let length = if owner.len() <= RECORD - 4 - OWNER { owner.len() } else { 0 };
            bytes[40..48].copy_from_slice(&held.ticket.to_le_bytes());
            bytes[48..80].copy_from_slice(&held.secret.0);
            bytes[80..88].copy_from_slice(&held.since_us.to_le_bytes());
            bytes[88] = 1;
            bytes[92..96].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
            bytes[OWNER..OWNER + length].copy_from_slice(&owner[..length]);
        }
        let sum = !crc32fast::hash(&bytes[..RECORD - 4]);
        bytes[RECORD - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<RECORD>()?;
        if u32_at(bytes, RECORD - 4) != !crc32fast::hash(&bytes[..RECORD - 4]) || &bytes[..8] != MAGIC {
            return None;
        }
        let held = if bytes[88] == 1 {
            let owner = bytes.get(OWNER..OWNER + u32_at(bytes, 92) as usize)?;
            Some(Held {
                ticket: u64_at(bytes, 40),
                secret: SecretHash(*bytes[48..].first_chunk()?),
                since_us: u64_at(bytes, 80),
                owner: serde_json::from_slice(owner).ok()?,
            })
        } else {
            None
        };
        Some(Self {
            last_token: FencingToken(u64_at(bytes, 8)),
            released_ns: u64_at(bytes, 16),
            last_ticket: u64_at(bytes, 96),
            last_request: request_in(*bytes[REQUEST..].first_chunk()?),
            held,
        })
    }
}

/// Zero stands for none; requests are named by chance.
fn request_in(bytes: [u8; 16]) -> Option<RequestId> {
    Some(u128::from_le_bytes(bytes)).filter(|&request| request != 0).map(RequestId)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let owner = Owner { label: "x\"\\".repeat(20), ..Owner::current("") };
        let held = Held { ticket: 4, secret: SecretHash([5; 32]), since_us: 6, owner };
        Record {
            last_token: FencingToken(9),
            released_ns: 0,
            last_ticket: 7,
            last_request: Some(RequestId(3)),
            held: Some(held),
        }
    }

    #[test]
    fn keeps_a_lease_and_forgets_it_at_the_release() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Record::read(&file).unwrap(), Record::default());
        record().write(&file).unwrap();
        assert_eq!(Record::read(&file).unwrap(), record());
        record().released().write(&file).unwrap();
        let free = Record::read(&file).unwrap();
        assert!(free.held.is_none() && free.released_ns > 0);
        assert_eq!((free.last_token, free.last_ticket, free.last_request), (FencingToken(9), 7, Some(RequestId(3))));
        assert_eq!(Record::last_request_in(&file).unwrap(), Some(RequestId(3)));
    }

    #[test]
    fn a_damaged_record_reads_as_unknown_wherever_it_is_hit() {
        let file = tempfile::tempfile().unwrap();
        for at in [0, 8, 24, 88, 92, 130, RECORD as u64 - 1] {
            record().write(&file).unwrap();
            let mut hit = [0];
            dir::read_at(&file, &mut hit, at).unwrap();
            dir::write_at(&file, &[!hit[0]], at).unwrap();
            assert_eq!(Record::read(&file).unwrap(), Record::default(), "hit at {at}");
        }
        record().write(&file).unwrap();
        file.set_len(500).unwrap();
        assert_eq!(Record::read(&file).unwrap(), Record::default());
    }
}
