//! One ticket, as a record of 64 bytes with a checksum.

use std::{fs::File, io};

use lock_core::{Priority, RequestId, dir, queue::Standing, turn::InLine};

use crate::{
    header::HEADER,
    record::{RECORD, is_sealed, seal, u32_at, u64_at},
};

/// One ticket as the line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ticket: u64,
    pub(crate) request: RequestId,
    /// Names the wake file of its process.
    pub(crate) process: u64,
    pub(crate) since_us: u64,
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) passed: u32,
    /// Which label of its process, as an index into the wake file's list.
    pub(crate) label: u16,
    pub(crate) priority: Priority,
    pub(crate) rest: Rest,
}

/// Whether a ticket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is.
    Awake = 0,
    /// Its process left a free lock lying, for whatever reason: not until it says itself that it is awake.
    Asleep = 1,
    /// The same, and its process was seen stopped: not until it runs again.
    Stopped = 2,
}

impl Entry {
    /// Reads one record; `None` when it is damaged or the file ends before it.
    pub(crate) fn read(file: &File, slot: usize) -> io::Result<Option<Self>> {
        let mut bytes = [0; RECORD];
        let length = dir::read_at(file, &mut bytes, (HEADER + slot * RECORD) as u64)?;
        Ok(Self::decode(&bytes[..length]))
    }

    pub(crate) fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&self.ticket.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.request.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.process.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.since_us.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.start.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.pid.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.passed.to_le_bytes());
        bytes[56..58].copy_from_slice(&self.label.to_le_bytes());
        bytes[58] = self.priority as u8;
        bytes[59] = self.rest as u8;
        seal(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<RECORD>()?;
        if !is_sealed(bytes) {
            return None;
        }
        Some(Self {
            ticket: u64_at(bytes, 0),
            request: RequestId(u128::from_le_bytes(*bytes[8..].first_chunk()?)),
            process: u64_at(bytes, 24),
            since_us: u64_at(bytes, 32),
            start: u64_at(bytes, 40),
            pid: u32_at(bytes, 48),
            passed: u32_at(bytes, 52),
            label: u16::from_le_bytes([bytes[56], bytes[57]]),
            priority: *Priority::ALL.get(usize::from(bytes[58]))?,
            rest: [Rest::Awake, Rest::Asleep, Rest::Stopped].into_iter().find(|r| *r as u8 == bytes[59])?,
        })
    }
}

impl InLine for Entry {
    fn standing(&self) -> Standing {
        Standing { ticket: self.ticket, priority: self.priority, passed: self.passed }
    }

    fn process(&self) -> u64 {
        self.process
    }

    fn is_awake(&self) -> bool {
        self.rest == Rest::Awake
    }
}
