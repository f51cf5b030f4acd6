//! Records of 64 bytes, each with its checksum in the last four: what the line's file is made of.

/// Length of a record.
pub(crate) const RECORD: usize = 64;

/// Puts a checksum into the last four bytes of a record.
pub(crate) fn seal(bytes: &mut [u8; 64]) {
    let sum = checksum(bytes);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn is_sealed(bytes: &[u8; 64]) -> bool {
    u32_at(bytes, 60) == checksum(bytes)
}

/// Never that of 64 zeros, which is what a hole in a file reads as.
fn checksum(bytes: &[u8; 64]) -> u32 {
    !crc32fast::hash(&bytes[..60])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}
