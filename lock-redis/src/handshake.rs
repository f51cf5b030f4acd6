//! Why a connection did not come about, in words that tell what to do.

use std::{error::Error, io, sync::Arc};

use redis::RedisError;
use rustls::AlertDescription;

use crate::{
    config::{Address, RedisConfig},
    error::Trouble,
};

/// What an input or output error means that came before the server's first word.
pub(crate) fn failed(config: &RedisConfig, error: RedisError) -> Trouble {
    let server = config.name();
    let (tls, kind) = match io_error(&error) {
        Some(io) => (io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned(), Some(io.kind())),
        None => (None, None),
    };
    match (tls, kind) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => Trouble::Untrusted { server, source: error },
        (Some(rustls::Error::AlertReceived(alert)), _) if is_about_the_client(alert) => {
            Trouble::ClientUnknown { server, source: error }
        }
        (Some(rustls::Error::InvalidMessage(_)), _) => Trouble::NoTls { server, source: error },
        (None, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe)) => {
            Trouble::HungUp { server, advice: advice(config), source: error }
        }
        _ => Trouble::Unreachable { server, source: error },
    }
}

const fn is_about_the_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

const fn advice(config: &RedisConfig) -> &'static str {
    match (&config.address, &config.tls.client) {
        (
            Address::Tcp { tls: false, .. }
            | Address::Sentinel { tls: false, .. }
            | Address::Cluster { tls: false, .. },
            _,
        ) => "if it speaks TLS there, use rediss:// (rediss+sentinel://, rediss+cluster://)",
        (
            Address::Tcp { tls: true, .. } | Address::Sentinel { tls: true, .. } | Address::Cluster { tls: true, .. },
            None,
        ) => "it may want a client's certificate (`redis.cert_file`, `redis.key_file`), or speak no TLS there",
        _ => "its log may say why",
    }
}

/// The system's error below that of the redis crate, which keeps it shared.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let shared: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
    shared.downcast_ref()
}
