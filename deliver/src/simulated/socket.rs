//! The listening socket: made private, and removed at the end.

use std::{io, net::TcpListener, path::PathBuf};

use super::{
    Address,
    server::Listen,
    transport::{Listener, Place},
};

pub(super) struct Socket {
    pub(super) listener: Listener,
    pub(super) address: Address,
    /// What a client must say first, where the system lets everybody connect.
    pub(super) key: Option<String>,
    pub(super) cleanup: Cleanup,
}

/// Files that go when the desktop ends.
#[derive(Default)]
pub(super) struct Cleanup {
    socket: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Socket {
    pub(super) fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Loopback => Self::loopback(),
            Listen::Path(path) => {
                Self::unix(path.clone(), Cleanup { socket: Some(path.clone()), ..Cleanup::default() })
            }
            Listen::Private if cfg!(unix) => {
                let folder = private_folder()?;
                let path = folder.join("desktop");
                Self::unix(path.clone(), Cleanup { socket: Some(path), folder: Some(folder) })
            }
            Listen::Private => Self::loopback(),
        }
    }

    fn loopback() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let key = random_hex()?;
        let address = Address(Place::Tcp(listener.local_addr()?, key.clone()));
        Ok(Self { listener: Listener::Tcp(listener), address, key: Some(key), cleanup: Cleanup::default() })
    }

    #[cfg(unix)]
    fn unix(path: PathBuf, cleanup: Cleanup) -> io::Result<Self> {
        use std::os::unix::{fs::PermissionsExt, net::UnixListener};

        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener: Listener::Unix(listener), address: Address(Place::Unix(path)), key: None, cleanup })
    }

    #[cfg(not(unix))]
    fn unix(_path: PathBuf, _cleanup: Cleanup) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system; listen on loopback"))
    }
}

impl Cleanup {
    pub(super) fn remove(&self) {
        let socket = self.socket.as_ref().map_or(Ok(()), std::fs::remove_file);
        let folder = self.folder.as_ref().map_or(Ok(()), std::fs::remove_dir);
        if let Err(error) = socket.and(folder) {
            tracing::warn!(%error, "the simulated desktop's socket was left behind");
        }
    }
}

/// A new folder that only we can enter: the socket in it needs no race-free mode of its own.
fn private_folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("talkstick-{}", random_hex()?));
    #[cfg_attr(not(unix), allow(unused_mut, reason = "a mode is set where there are modes"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    Ok(folder)
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
