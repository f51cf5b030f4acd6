//! The mark of a broken lease: its token, in a file beside the line, so that the holder's check finds it.

use lock_core::{
    FencingToken,
    dir::{self, Dir},
};

use crate::{
    error::Trouble,
    layout,
    record::{u32_at, u64_at},
};

const MARK: usize = 12;

/// Marks the lease with this token. Only under the mutex. The file appears whole or not at all.
pub(crate) fn place(side: &Dir, token: FencingToken) -> Result<(), Trouble> {
    let mut bytes = [0; MARK];
    bytes[..8].copy_from_slice(&token.0.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    side.unlink(layout::BROKEN_NEW)?;
    let path = || side.path_of(layout::BROKEN_NEW);
    let file = side.new_file(layout::BROKEN_NEW)?.ok_or_else(|| Trouble::unsteady(path()))?;
    dir::write_at(&file, &bytes, 0).map_err(Trouble::io("write", path()))?;
    Ok(side.rename(layout::BROKEN_NEW, layout::BROKEN)?)
}

/// The token of the lease that was broken last; a damaged mark is none.
pub(crate) fn read(side: &Dir) -> Result<Option<FencingToken>, Trouble> {
    let Some(file) = side.existing_file(layout::BROKEN)? else { return Ok(None) };
    let mut bytes = [0; MARK];
    let length = dir::read_at(&file, &mut bytes, 0).map_err(Trouble::io("read", side.path_of(layout::BROKEN)))?;
    let sealed = length == MARK && u32_at(&bytes, 8) == crc32fast::hash(&bytes[..8]);
    Ok(sealed.then(|| FencingToken(u64_at(&bytes, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_counts_and_a_damaged_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let side = Dir::open_or_create(folder.path()).unwrap();
        assert_eq!(read(&side).unwrap(), None);
        for token in [7, 8].map(FencingToken) {
            place(&side, token).unwrap();
            assert_eq!(read(&side).unwrap(), Some(token));
        }
        std::fs::write(folder.path().join(layout::BROKEN), [0; 11]).unwrap();
        assert_eq!(read(&side).unwrap(), None);
    }
}
