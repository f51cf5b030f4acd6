//! Folders that only their user can enter, in places where everybody may make some.

use std::{
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

/// Makes `folder` for this user alone, or checks that it is that.
///
/// # Errors
/// The system's; and a folder that others could enter, or that is a link.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Checked after it was made: somebody else may have been first, with a folder or a link of theirs.
    match is_private_folder(folder)? {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} must be a folder of your own that nobody else can enter (0700)", folder.display()),
        )),
    }
}

/// Whether `folder` is a folder of this user's that nobody else can enter.
///
/// # Errors
/// The system's: there is none, or it cannot be looked at.
pub fn is_private_folder(folder: &Path) -> io::Result<bool> {
    let found = std::fs::symlink_metadata(folder)?;
    Ok(found.is_dir() && found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        private_folder(&own).unwrap();
        private_folder(&own).unwrap();
        assert!(is_private_folder(&own).unwrap());
        std::os::unix::fs::symlink(&own, folder.path().join("link")).unwrap();
        assert!(private_folder(&folder.path().join("link")).is_err(), "a link leads where its owner likes");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o710)).unwrap();
        assert!(private_folder(&own).unwrap_err().to_string().contains("0700"));
    }
}
