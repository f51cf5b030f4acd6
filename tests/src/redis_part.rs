//! A part of Redis servers that no other test uses: a user with a prefix of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The part, known by its user's name. Whoever uses it says by `tell` how its servers are told; as many must agree.
#[derive(Debug)]
pub struct RedisPart {
    name: String,
}

impl RedisPart {
    /// Makes one that is empty.
    ///
    /// # Panics
    /// When a server refuses the user.
    pub fn fresh<const SERVERS: usize>(tell: impl FnOnce(&[&str]) -> Vec<String>) -> Self {
        static PARTS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("case-{}", PARTS.fetch_add(1, Ordering::Relaxed));
        let (keys, channels) = (format!("~{name}:*"), format!("&{name}:*"));
        let user = ["ACL", "SETUSER", &name, "on", ">word", &keys, "resetchannels", &channels, "+@all"];
        assert_eq!(tell(&user), ["OK"; SERVERS]);
        Self { name }
    }

    /// The URL of the part, from that of the servers.
    pub fn url(&self, of_servers: &str) -> String {
        let Self { name } = self;
        let url = of_servers.replacen("://", &format!("://{name}:word@"), 1);
        format!("{url}?prefix={name}:")
    }

    /// Deletes all its keys.
    ///
    /// # Panics
    /// When a server does not.
    pub fn lose_data<const SERVERS: usize>(&self, tell: impl FnOnce(&[&str]) -> Vec<String>) {
        let delete = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 'done'";
        assert_eq!(tell(&["EVAL", delete, "0", &format!("{}:*", self.name)]), ["done"; SERVERS]);
    }

    /// Ends its connections and lets none in again: the servers are there for the other parts.
    ///
    /// # Panics
    /// When a server refuses that.
    pub fn cut<const SERVERS: usize>(&self, tell: impl Fn(&[&str]) -> Vec<String>) {
        assert_eq!(tell(&["ACL", "SETUSER", &self.name, "off"]), ["OK"; SERVERS]);
        tell(&["CLIENT", "KILL", "USER", &self.name]);
    }
}
