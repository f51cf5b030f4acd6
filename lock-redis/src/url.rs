//! URLs: `redis://[user[:password]@]host[:port][/db]`, `rediss://` the same with TLS, `redis+unix:///socket[?db=N]`,
//! `redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/master[/db]`,
//! `redis+cluster://[user[:password]@]host[:port][,host[:port]...]`, `rediss+cluster://` the same with TLS;
//! `redis+quorum://[user[:password]@]host[:port],host[:port],host[:port][,...][/db]`, `rediss+quorum://` the same with TLS;
//! all of them with `?prefix=TEXT`.

use std::collections::HashSet;

use lock_core::{Error, StoreConfig};

use crate::{
    backend::SCHEMES,
    config::{Address, PREFIX_BYTES_MAX, Password, QUORUM_MIN, RedisConfig},
};

/// Where Redis listens unless told otherwise.
const PORT: u16 = 6379;
/// Where Sentinel does.
const SENTINEL_PORT: u16 = 26379;

impl RedisConfig {
    /// Reads a URL; what it does not say has its default.
    ///
    /// # Errors
    /// [`Error::Config`] says what is wrong. It repeats neither user nor password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it must begin with redis://HOST"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut config = match scheme {
            "redis" | "rediss" => of_host(rest, scheme == "rediss")?,
            "redis+unix" => of_socket(rest)?,
            "redis+sentinel" | "rediss+sentinel" => of_sentinels(rest, scheme == "rediss+sentinel")?,
            "redis+cluster" | "rediss+cluster" => of_cluster(rest, scheme == "rediss+cluster")?,
            "redis+quorum" | "rediss+quorum" => of_quorum(rest, scheme == "rediss+quorum")?,
            _ => return Err(wrong(&format!("known schemes are {}", SCHEMES.join(", ")))),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("db", number)) => config.database = database(number)?,
                Some(("prefix", prefix)) => config.prefix = decoded(prefix)?,
                _ => return Err(wrong("behind the `?` it takes db=NUMBER and prefix=TEXT")),
            }
        }
        config.check()?;
        Ok(config)
    }

    /// What a registry's configuration says; a bare `redis` is the server on this host.
    ///
    /// # Errors
    /// As [`RedisConfig::parse`].
    pub fn from_store(store: &StoreConfig) -> Result<Self, Error> {
        let url = if store.rest().is_empty() { "redis://127.0.0.1" } else { &store.url };
        let (queue_max, sweep) = (store.queue_max, store.sweep);
        Ok(Self { queue_max, sweep, ..Self::parse(url)? })
    }

    /// Checks what was set by hand.
    ///
    /// # Errors
    /// [`Error::Config`] for a prefix that is too long or has braces or control characters, for a timeout of zero, for what a
    /// Cluster or a quorum cannot do, and for servers that make no quorum.
    pub fn check(&self) -> Result<(), Error> {
        if self.prefix.len() > PREFIX_BYTES_MAX {
            let bytes = self.prefix.len();
            return Err(Error::Config(format!(
                "`redis.prefix` may have {PREFIX_BYTES_MAX} bytes, this one has {bytes}"
            )));
        }
        if self.prefix.contains(['{', '}']) || self.prefix.chars().any(char::is_control) {
            let rule = "`redis.prefix` must have no braces and no control characters: braces mark the keys of one lock";
            return Err(Error::Config(rule.into()));
        }
        if self.timeout.is_zero() {
            return Err(Error::Config("`redis.timeout` must be longer than nothing".into()));
        }
        let is_cluster = matches!(self.address, Address::Cluster { .. });
        if is_cluster && self.database != 0 {
            return Err(Error::Config(format!("a Redis Cluster has no database {}, only 0", self.database)));
        }
        match &self.address {
            Address::Quorum { servers, .. } => self.check_quorum(servers),
            _ => Ok(()),
        }
    }

    fn check_quorum(&self, servers: &[(String, u16)]) -> Result<(), Error> {
        let count = servers.len();
        if count < QUORUM_MIN || count.is_multiple_of(2) {
            return Err(Error::Config(format!(
                "a quorum takes an odd number of servers, at least {QUORUM_MIN}, these are {count}: one more than an odd number \
                 lets no more of them fail"
            )));
        }
        let mut seen = HashSet::new();
        if let Some((host, port)) = servers.iter().find(|(host, port)| !seen.insert((host.to_ascii_lowercase(), *port)))
        {
            return Err(Error::Config(format!("{host}:{port} is in the quorum twice: it would have two votes")));
        }
        if self.wait_replicas != 0 {
            let rule = "`redis.wait_replicas` does not go with a quorum, where a majority of the servers takes the place of \
                        replicas; set it to 0";
            return Err(Error::Config(rule.into()));
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Error {
    Error::Config(format!("wrong Redis URL: {what}"))
}

fn of_host(rest: &str, tls: bool) -> Result<RedisConfig, Error> {
    let (credentials, place, path) = parts(rest);
    let (host, port) = host_and_port(place, PORT)?;
    let mut config = RedisConfig::new(Address::Tcp { host, port, tls });
    log_in(&mut config, credentials)?;
    if !path.is_empty() {
        config.database = database(path)?;
    }
    Ok(config)
}

fn of_sentinels(rest: &str, tls: bool) -> Result<RedisConfig, Error> {
    let (credentials, places, path) = parts(rest);
    let sentinels: Result<_, Error> = places.split(',').map(|place| host_and_port(place, SENTINEL_PORT)).collect();
    let (master, number) = path.split_once('/').unwrap_or((path, ""));
    if master.is_empty() {
        return Err(wrong("it names no master: redis+sentinel://HOST,HOST/MASTER"));
    }
    let mut config = RedisConfig::new(Address::Sentinel { sentinels: sentinels?, master: decoded(master)?, tls });
    log_in(&mut config, credentials)?;
    if !number.is_empty() {
        config.database = database(number)?;
    }
    Ok(config)
}

fn of_cluster(rest: &str, tls: bool) -> Result<RedisConfig, Error> {
    let (credentials, places, path) = parts(rest);
    let seeds: Result<_, Error> = places.split(',').map(|place| host_and_port(place, PORT)).collect();
    let mut config = RedisConfig::new(Address::Cluster { seeds: seeds?, tls });
    log_in(&mut config, credentials)?;
    if !path.is_empty() {
        config.database = database(path)?;
    }
    Ok(config)
}

fn of_quorum(rest: &str, tls: bool) -> Result<RedisConfig, Error> {
    let (credentials, places, path) = parts(rest);
    let servers: Result<_, Error> = places.split(',').map(|place| host_and_port(place, PORT)).collect();
    let mut config = RedisConfig::new(Address::Quorum { servers: servers?, tls });
    log_in(&mut config, credentials)?;
    if !path.is_empty() {
        config.database = database(path)?;
    }
    Ok(config)
}

/// Credentials, place and path. A password may hold any character but `/`, `?` and `#`, percent-coded where it is not plain.
fn parts(rest: &str) -> (&str, &str, &str) {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    (credentials, place, path)
}

fn log_in(config: &mut RedisConfig, credentials: &str) -> Result<(), Error> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    config.user = Some(decoded(user)?).filter(|user| !user.is_empty());
    config.password = Some(decoded(password)?).filter(|text| !text.is_empty()).map(Password::new);
    Ok(())
}

fn of_socket(rest: &str) -> Result<RedisConfig, Error> {
    match rest.starts_with('/') {
        true => Ok(RedisConfig::new(Address::Unix(decoded(rest)?.into()))),
        false => Err(wrong("redis+unix takes an absolute path: redis+unix:///run/redis/redis.sock")),
    }
}

fn host_and_port(place: &str, default: u16) -> Result<(String, u16), Error> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| wrong("a `[` without `]` in the host"))?;
            (host, behind.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(wrong("it names no host"));
    }
    let port =
        port.map_or(Ok(default), |text| text.parse().map_err(|_| wrong("the port must be a number up to 65535")))?;
    Ok((host.to_owned(), port))
}

fn database(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| wrong("the database must be a number"))
}

/// Percent-coded text, decoded.
fn decoded(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                u8::from_str_radix(digits, 16).map_err(|_| wrong("a `%` must be followed by two hexadecimal digits"))?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| wrong("its percent-coded text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_written_and_names_it_without_credentials() {
        for (url, name) in [
            ("redis://h", "redis://h:6379/0"),
            ("redis://h:7/3", "redis://h:7/3"),
            ("rediss://[::1]:7", "rediss://[::1]:7/0"),
            ("redis://u:p%40ss@h?prefix=team%3A", "redis://h:6379/0?prefix=team:"),
            ("rediss+sentinel://u:p@a/main", "rediss+sentinel://a:26379/main/0"),
            ("redis+sentinel://u:p@a,[::1]:7/main/2", "redis+sentinel://a:26379,[::1]:7/main/2"),
            ("redis+cluster://u:p@a,[::1]:7", "redis+cluster://a:6379,[::1]:7"),
            ("rediss+cluster://a:7/0?prefix=x", "rediss+cluster://a:7?prefix=x"),
            ("redis+quorum://u:p@a,b:7,[::1]:7/2", "redis+quorum://a:6379,b:7,[::1]:7/2"),
            ("rediss+quorum://a,b,c?prefix=x", "rediss+quorum://a:6379,b:6379,c:6379/0?prefix=x"),
            ("redis+unix:///run/r%20s.sock?db=2&prefix=x", "redis+unix:///run/r s.sock?db=2&prefix=x"),
        ] {
            assert_eq!(RedisConfig::parse(url).unwrap().name(), name, "{url}");
        }
        let config = RedisConfig::parse("redis://u:p%40ss@h").unwrap();
        assert_eq!((config.user.as_deref(), config.password.clone()), (Some("u"), Some(Password::new("p@ss"))));
        assert!(!format!("{config:?}").contains("p@ss"));
    }

    #[test]
    fn says_what_is_wrong_without_the_password() {
        for (url, part) in [
            ("redis:h", "redis://HOST"),
            ("redis://u:secret@", "no host"),
            ("redis://u:secret@h:x", "port"),
            ("redis://u:secret@h/x", "database"),
            ("redis://u:%zz@h", "hexadecimal"),
            ("redis://h?x=1", "prefix=TEXT"),
            ("redis://h?prefix={a}", "braces"),
            ("redis+unix://x", "absolute"),
            ("redis+sentinel://u:secret@h", "names no master"),
            ("redis+sentinel://u:secret@h,/m", "no host"),
            ("redis+sentinel://h/m/x", "database"),
            ("redis+cluster://u:secret@h,", "no host"),
            ("redis+cluster://u:secret@h/1", "no database 1"),
            ("redis+cluster://u:secret@h/x", "database"),
            ("redis+quorum://u:secret@h", "these are 1"),
            ("redis+quorum://u:secret@a,b,c,d", "these are 4"),
            ("redis+quorum://u:secret@a,b,", "no host"),
            ("redis+quorum://u:secret@a,b:7,B:7", "B:7 is in the quorum twice"),
            ("redis+quorum://u:secret@a,b,c/x", "database"),
            ("http://h", "known schemes"),
        ] {
            let error = RedisConfig::parse(url).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{url}: {error}");
        }
        let waiting = RedisConfig { wait_replicas: 1, ..RedisConfig::parse("redis+quorum://a,b,c").unwrap() };
        assert!(waiting.check().unwrap_err().to_string().contains("wait_replicas"));
        let long = format!("redis://h?prefix={}", "x".repeat(65));
        assert!(RedisConfig::parse(&long).unwrap_err().to_string().contains("65"));
    }
}
