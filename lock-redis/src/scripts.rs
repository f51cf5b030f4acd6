//! The Lua scripts, and how they are called: by their hash, in full where the server does not know it; those that let go in full at once.

use std::sync::LazyLock;

use redis::{Cmd, Script, ToRedisArgs};

use crate::keys::Keys;

/// One script: both heads, then its own text.
pub(crate) struct LuaScript {
    /// Its file, for errors.
    pub(crate) name: &'static str,
    /// It is sent in full at once. Who drops a guard, or a wait, goes on without the answer, and whatever is asked next must find
    /// the lease ended: by hash, a server that has forgotten the script would answer that before it has the text.
    pub(crate) lets_go: bool,
    sent: LazyLock<Sent>,
}

/// A script as servers have it.
struct Sent {
    text: String,
    hash: Script,
}

macro_rules! script {
    ($name:ident, $file:literal, $lets_go:literal) => {
        #[doc = concat!("`lua/", $file, "`; its contract is in its head.")]
        pub(crate) static $name: LuaScript = LuaScript {
            name: $file,
            lets_go: $lets_go,
            sent: LazyLock::new(|| {
                Sent::of(concat!(
                    include_str!("lua/queue.lua"),
                    include_str!("lua/key.lua"),
                    include_str!(concat!("lua/", $file))
                ))
            }),
        };
    };
}

script!(ENTER, "enter.lua", false);
script!(REFRESH, "refresh.lua", false);
script!(RENEW, "renew.lua", false);
script!(RELEASE, "release.lua", true);
script!(WITHDRAW, "withdraw.lua", true);
script!(INSPECT, "inspect.lua", false);
script!(HELD_UNDER, "held_under.lua", false);
script!(BREAK, "break.lua", false);
script!(PROBE, "probe.lua", false);
script!(HOLD, "hold.lua", false);
script!(GIVE_BACK, "give_back.lua", true);

impl Sent {
    /// Without comments and indentation: what is sent in full is hashed by the server each time.
    fn of(script: &str) -> Self {
        let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("--"));
        let text = lines.collect::<Vec<&str>>().join("\n");
        Self { hash: Script::new(&text), text }
    }
}

impl LuaScript {
    /// The call by hash.
    pub(crate) fn by_hash(&self, keys: &Keys, arguments: impl ToRedisArgs) -> Cmd {
        call("EVALSHA", self.sent.hash.get_hash(), keys, arguments)
    }

    /// The call in full; the server knows the hash from then on.
    pub(crate) fn in_full(&self, keys: &Keys, arguments: impl ToRedisArgs) -> Cmd {
        call("EVAL", &self.sent.text, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &Keys, arguments: impl ToRedisArgs) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(keys.0.len()).arg(&keys.0[..]).arg(arguments);
    call
}
