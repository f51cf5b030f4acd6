//! The check of a held lease: cheap, for it is made some fifty times a second.

use lock_core::{FencingToken, LossReason, RequestId};

use crate::{error::Trouble, holder::Record, key::Key, mark, table::HeldLease};

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
        if recorded(&held)? == Some(request) {
            return Ok(Ok(()));
        }
        self.heal(&held)
    }

    /// The gate is ours, so the record was damaged by somebody who had no right to write it: writes it again.
    ///
    /// Under the table's lock, as the release is: a lease that was released since the check began has a cleared record
    /// that is right, and soon the next holder's, who would lose its lease to ours.
    fn heal(&self, held: &HeldLease) -> Result<Result<(), LossReason>, Trouble> {
        let table = self.table();
        if !table.leases.contains_key(&held.lease.request) {
            return Ok(Err(LossReason::Replaced));
        }
        match recorded(held)? {
            Some(now) if now == held.lease.request => Ok(Ok(())),
            Some(_) => Ok(Err(LossReason::Replaced)),
            None => held.record.write(&held.files.holder).map(Ok).map_err(held.files.holder_trouble("write")),
        }
    }
}

/// Whose lease the record shows.
fn recorded(held: &HeldLease) -> Result<Option<RequestId>, Trouble> {
    let record = Record::read(&held.files.holder).map_err(held.files.holder_trouble("read"))?;
    Ok(record.held.and(record.last_request))
}

#[cfg(test)]
mod tests {
    use lock_core::Entered;

    use crate::testing::{key, request};

    #[test]
    fn a_check_that_a_release_overtakes_leaves_the_next_holders_record_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (key(folder.path(), 1), key(folder.path(), 2));
        let (ours, theirs) = (request(1), request(2));
        let Entered::Granted(first) = a.section().unwrap().enter(&ours).unwrap() else { panic!("it is free") };
        let held = a.table().leases[&ours.id].clone();
        assert!(a.let_go(ours.id, Some(first.token)));
        let Entered::Granted(next) = b.section().unwrap().enter(&theirs).unwrap() else { panic!("it is free") };
        // The check had read the record between the two.
        assert!(a.heal(&held).unwrap().is_err());
        assert_eq!(b.check(theirs.id, next.token).unwrap(), Ok(()));
    }

    #[test]
    fn a_damaged_record_of_a_held_lease_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let a = key(folder.path(), 1);
        let ours = request(1);
        let Entered::Granted(lease) = a.section().unwrap().enter(&ours).unwrap() else { panic!("it is free") };
        a.files().unwrap().holder.set_len(3).unwrap();
        assert_eq!(a.check(ours.id, lease.token).unwrap(), Ok(()));
        assert_eq!(crate::holder::Record::read(&a.files().unwrap().holder).unwrap().last_token, lease.token);
    }
}
