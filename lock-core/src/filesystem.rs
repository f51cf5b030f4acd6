//! Whether a folder is on a file system where flock excludes nobody but this host.

use crate::{dir::Dir, file_error::FileError};

/// The network file system that the folder is on; `None` for a local one, and where the system does not tell. FUSE counts
/// as one: what is behind it cannot be seen, and often it is sshfs.
///
/// # Errors
/// The system's, with the folder.
#[cfg(target_os = "linux")]
pub fn network(dir: &Dir) -> Result<Option<&'static str>, FileError> {
    let look = |e: rustix::io::Errno| FileError::io("look at the file system of", dir.path())(e.into());
    let found = rustix::fs::fstatfs(dir.handle()).map_err(look)?;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a 32-bit number in a field whose type differs between processors"
    )]
    Ok(network_name(found.f_type as u32))
}

/// The network file system that the folder is on: unknown here, so the documentation must tell.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn network(_dir: &Dir) -> Result<Option<&'static str>, FileError> {
    Ok(None)
}

/// The numbers of statfs(2).
#[cfg(any(target_os = "linux", test))]
fn network_name(number: u32) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => "SMB",
        0x0102_1997 => "9p",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x4750_4653 => "GPFS",
        0x6573_5546 => "FUSE (which may hide a network)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::network_name;

    #[test]
    fn knows_networks_from_disks() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        for local in [0xEF53_u32, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0x794C_7630] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
    }
}
