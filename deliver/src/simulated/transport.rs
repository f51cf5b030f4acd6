//! Sockets below the simulated desktop: a Unix socket, or loopback TCP with a key where there are none.

#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// Where a simulated desktop listens: `unix:/path`, or `tcp:127.0.0.1:PORT:KEY`, where only who knows the key gets in.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr, String),
}

/// A text that is no address of a simulated desktop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no address of a simulated desktop; it looks like unix:/path or tcp:127.0.0.1:PORT:KEY")]
pub struct BadAddress;

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp(address, key) => write!(f, "tcp:{address}:{key}"),
        }
    }
}

/// Without the key: this is what goes to logs.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp(address, _) => write!(f, "tcp:{address}:.."),
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self(Place::Unix(path.into()))),
            Some(("tcp", rest)) => {
                let (address, key) = rest.rsplit_once(':').ok_or(BadAddress)?;
                let address: SocketAddr = address.parse().map_err(|_| BadAddress)?;
                match address.ip().is_loopback() && !key.is_empty() {
                    true => Ok(Self(Place::Tcp(address, key.to_owned()))),
                    false => Err(BadAddress),
                }
            }
            _ => Err(BadAddress),
        }
    }
}

#[derive(Debug)]
pub(super) enum Listener {
    #[cfg(unix)]
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            #[cfg(unix)]
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Stream {
    #[cfg(unix)]
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(super) fn connect(address: &Address) -> io::Result<Self> {
        match &address.0 {
            #[cfg(unix)]
            Place::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system")),
            Place::Tcp(address, _) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    pub(super) fn set_read_timeout(&self, span: Duration) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(Some(span)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(span)),
        }
    }

    pub(super) fn set_write_timeout(&self, span: Duration) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(Some(span)),
            Self::Tcp(stream) => stream.set_write_timeout(Some(span)),
        }
    }

    pub(super) fn shut_down(&self) {
        // A socket that is no longer connected needs no closing.
        let _already_closed = match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(into),
            Self::Tcp(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(from),
            Self::Tcp(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_and_keys_stay_out_of_logs() {
        for text in ["unix:/tmp/x/s", "tcp:127.0.0.1:80:abc"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!(!format!("{:?}", "tcp:127.0.0.1:80:abc".parse::<Address>().unwrap()).contains("abc"));
        for bad in ["", "unix:x", "tcp:10.0.0.1:80:abc", "tcp:127.0.0.1:80:", "tcp:127.0.0.1", "http://x"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
