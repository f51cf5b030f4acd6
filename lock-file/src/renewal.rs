//! The check of a held lease: cheap, for it is made some fifty times a second.

use lock_core::{FencingToken, LossReason, RequestId};

use crate::{
    error::Trouble,
    holder::Record,
    key::{HeldLease, Key},
    mark,
};

impl Key {
    /// Whether the lease is still held; if not, why.
    pub(crate) fn check(&self, request: RequestId, token: FencingToken) -> Result<Result<(), LossReason>, Trouble> {
        let held = self.table().leases.get(&request).filter(|held| held.lease.token == token).cloned();
        let Some(held) = held else { return Ok(Err(LossReason::Replaced)) };
        let files = &held.files;
        // Deleted or replaced, the gate excludes nobody who opens it now.
        if !files.names_gate(held.gate)? || !files.holder_in_place()? {
            return Ok(Err(LossReason::StoreGone));
        }
        if mark::read(files.side())? == Some(token) {
            return Ok(Err(LossReason::Broken));
        }
        let record = Record::read(&files.holder).map_err(files.holder_trouble("read"))?;
        match &record.held {
            Some(now) if now.request == request => Ok(Ok(())),
            Some(_) => Ok(Err(LossReason::Replaced)),
            None => heal(&held).map(Ok),
        }
    }
}

/// The gate is ours, so the record was damaged by somebody who had no right to write it.
fn heal(held: &HeldLease) -> Result<(), Trouble> {
    held.record().write(&held.files.holder).map_err(held.files.holder_trouble("write"))
}
