//! The Lua scripts, and how they are called: by their hash, in full where the server does not know it.

use std::sync::LazyLock;

use redis::{Cmd, Script, ToRedisArgs};

use crate::keys::Keys;

/// One script: both heads, then its own text.
pub(crate) struct LuaScript {
    /// Its file, for errors.
    pub(crate) name: &'static str,
    text: &'static str,
    compiled: LazyLock<Script>,
}

macro_rules! script {
    ($name:ident, $file:literal) => {
        #[doc = concat!("`lua/", $file, "`; its contract is in its head.")]
        pub(crate) static $name: LuaScript = LuaScript {
            name: $file,
            text: concat!(
                include_str!("lua/queue.lua"),
                include_str!("lua/key.lua"),
                include_str!(concat!("lua/", $file))
            ),
            compiled: LazyLock::new(|| Script::new($name.text)),
        };
    };
}

script!(ENTER, "enter.lua");
script!(REFRESH, "refresh.lua");
script!(RENEW, "renew.lua");
script!(RELEASE, "release.lua");
script!(WITHDRAW, "withdraw.lua");
script!(INSPECT, "inspect.lua");
script!(HELD_UNDER, "held_under.lua");
script!(BREAK, "break.lua");
script!(PROBE, "probe.lua");
script!(HOLD, "hold.lua");
script!(GIVE_BACK, "give_back.lua");

impl LuaScript {
    /// The call by hash.
    pub(crate) fn by_hash(&self, keys: &Keys, arguments: &[impl ToRedisArgs]) -> Cmd {
        call("EVALSHA", self.compiled.get_hash(), keys, arguments)
    }

    /// The call in full; the server knows the hash from then on.
    pub(crate) fn in_full(&self, keys: &Keys, arguments: &[impl ToRedisArgs]) -> Cmd {
        call("EVAL", self.text, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &Keys, arguments: &[impl ToRedisArgs]) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(keys.0.len()).arg(&keys.0[..]).arg(arguments);
    call
}
