//! The first record of the line's file: what is asked most, without reading the tickets.

use std::{fs::File, io};

use lock_core::dir;

use crate::record::{RECORD, is_sealed, seal, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"tstkln02";
pub(crate) const HEADER: usize = RECORD;
/// No line is longer, whatever a damaged header says: a hundred times the default limit.
const COUNT_MAX: usize = 1_000_000;

/// The first record of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Changes when the line was rebuilt.
    pub(crate) epoch: u64,
    pub(crate) next_ticket: u64,
    /// The ticket to be granted next, 0 for none or not plain: the head knows its turn from here, however long the line
    /// is.
    pub(crate) head: u64,
    pub(crate) count: u32,
}

impl Header {
    /// Reads the header alone; `None` when the line is empty or damaged.
    pub(crate) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        let length = dir::read_at(file, &mut bytes, 0)?;
        Ok(Self::decode(&bytes[..length]))
    }

    pub(crate) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.next_ticket.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.head.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        if !is_sealed(bytes) || &bytes[..8] != MAGIC {
            return None;
        }
        let header = Self {
            epoch: u64_at(bytes, 8),
            next_ticket: u64_at(bytes, 16),
            head: u64_at(bytes, 32),
            count: u32_at(bytes, 24),
        };
        (header.count as usize <= COUNT_MAX).then_some(header)
    }
}
