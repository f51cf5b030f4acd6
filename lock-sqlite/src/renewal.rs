//! The check of a held lease: cheap, for it is made some fifty times a second.

use lock_core::{FencingToken, LossReason, RequestId};

use crate::{error::Trouble, key::Key, layout::Kind, queries};

impl Key {
    /// Whether the lease is still held; if not, why.
    pub(crate) fn check(&self, request: RequestId, token: FencingToken) -> Result<Result<(), LossReason>, Trouble> {
        let held = self.table().leases.get(&request).filter(|held| held.lease.token == token).cloned();
        let Some(held) = held else { return Ok(Err(LossReason::Replaced)) };
        // Deleted or replaced, the database and the baton exclude nobody who opens them now.
        if !held.opened.is_in_place()? || !held.opened.batons.is_in_place(Kind::Lease, &held.baton)? {
            return Ok(Err(LossReason::StoreGone));
        }
        let looked = self.store.read(|database| {
            let row = queries::record(&database.connection, &self.name);
            row.map_err(Trouble::sql("read", &self.store.path))
        })?;
        // Where it cannot be read now, it is unknown; the next check tells.
        let row = looked.ok_or_else(|| Trouble::Busy { path: self.store.path.clone(), waited: Default::default() })?;
        Ok(match row {
            Some(row) if row.request != request || row.last_token != token => Err(LossReason::Replaced),
            Some(row) if row.broken => Err(LossReason::Broken),
            Some(_) => Ok(()),
            None => Err(LossReason::StoreGone),
        })
    }
}
