//! Small disks, for tests of full ones and of those that cannot be written.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::require::require_that;

/// A disk in memory over a folder, taken down when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many bytes (`64k`). `None`, loudly, where that is not allowed.
    ///
    /// # Panics
    /// Where it is not allowed and the environment has `CI`.
    pub fn over(folder: &Path, bytes: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"]).arg(folder).status();
        let mounted = mounted.is_ok_and(|status| status.success());
        require_that(mounted.then_some(()).ok_or("cannot mount".to_owned())).then(|| Self(folder.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// From now on nobody can write to it.
    pub fn make_read_only(&self) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(remounted.expect("mount runs").success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(&self.0).status().expect("umount runs").success());
    }
}
