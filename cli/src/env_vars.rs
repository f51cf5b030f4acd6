//! Every environment variable that the program reads or sets. No other place names one.

use std::{ffi::OsString, path::PathBuf, process::Command};

/// Any non-empty value: no colour.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// What `-v` logs, as a filter such as `lock_core=trace,deliver=debug`; set without `-v`, it also logs.
pub(crate) const LOG: &str = "TALKSTICK_LOG";
/// Where the user's files are, for the default root and the user's configuration.
#[cfg(not(windows))]
pub(crate) const HOME: &str = "HOME";
/// The user's state folder, where the root is when no `talkstick.toml` is found; `~/.local/state` unless set.
#[cfg(not(windows))]
pub(crate) const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// The user's configuration folder; `~/.config` unless set.
#[cfg(not(windows))]
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Windows: the user's state folder.
#[cfg(windows)]
pub(crate) const LOCALAPPDATA: &str = "LOCALAPPDATA";
/// Windows: the user's configuration folder.
#[cfg(windows)]
pub(crate) const APPDATA: &str = "APPDATA";
/// Windows: the session that this process belongs to, with a desktop of its own.
#[cfg(windows)]
pub(crate) const SESSIONNAME: &str = "SESSIONNAME";
/// Windows: the system's configuration folder.
#[cfg(windows)]
pub(crate) const PROGRAMDATA: &str = "PROGRAMDATA";
/// The X server.
#[cfg(unix)]
pub(crate) const DISPLAY: &str = "DISPLAY";
/// Where the keys to X servers are.
#[cfg(target_os = "linux")]
pub(crate) const XAUTHORITY: &str = "XAUTHORITY";
/// Where programs are.
pub(crate) const PATH: &str = "PATH";
/// A Wayland compositor: where it is set without `DISPLAY`, `doctor` says why the desktop surface is refused.
#[cfg(unix)]
pub(crate) const WAYLAND_DISPLAY: &str = "WAYLAND_DISPLAY";

/// Before each setting: `TALKSTICK__LOCK__BACKEND` is `lock.backend`.
pub(crate) const SETTING_PREFIX: &str = "TALKSTICK__";

/// The password for the Redis server, where `redis.password_file` is not set. No child gets it, but a sender of the demo.
pub(crate) const REDIS_PASSWORD: &str = "TALKSTICK_REDIS_PASSWORD";

/// The password for the Sentinels, where `redis.sentinel_password_file` is not set. No child gets it, but a sender of the demo.
pub(crate) const REDIS_SENTINEL_PASSWORD: &str = "TALKSTICK_REDIS_SENTINEL_PASSWORD";

/// Set for the child of `run`, and read by a `send` or `run` below it: the leases it may work under.
pub(crate) const HELD: &str = lock_core::HELD_VARIABLE;
/// Set for the child of `run`: the key.
pub(crate) const RUN_KEY: &str = "TALKSTICK_KEY";
/// Set for the child of `run`: the fencing token.
pub(crate) const RUN_TOKEN: &str = "TALKSTICK_TOKEN";
/// Set for the child of `run`: who holds the lease.
pub(crate) const RUN_OWNER: &str = "TALKSTICK_OWNER";
/// Set for the child of `run`: when the lease ends unless renewed; empty where leases do not expire.
pub(crate) const RUN_DEADLINE: &str = "TALKSTICK_DEADLINE";

/// Whether the variable is set to anything but the empty text.
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The variable's value, `None` when empty or unset.
pub(crate) fn value(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The variable's value as an absolute path; relative ones are ignored, as the XDG specification asks.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    value(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The variable's value as text; what is not UTF-8 reads as unset.
pub(crate) fn text(name: &str) -> Option<String> {
    value(name).and_then(|value| value.into_string().ok())
}

/// The text of [`HELD`]. What is not UTF-8 becomes a text that gives no right, and that is said.
pub(crate) fn held() -> String {
    value(HELD).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The variables that hold a secret of the lock store, with what a child of `run` gets instead: a URL still names the same
/// store, for a child that silently locked elsewhere would lock nothing.
pub(crate) fn secrets() -> Vec<(String, Option<String>)> {
    let name = format!("{SETTING_PREFIX}LOCK__BACKEND");
    let stripped = text(&name).and_then(|url| crate::settings::without_credentials(&url));
    let url = stripped.map(|url| (name, Some(url)));
    let passwords = [REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD].map(|name| (name.to_owned(), None));
    passwords.into_iter().chain(url).collect()
}

/// Keeps the secrets of the lock store from a child.
pub(crate) fn hide_secrets(command: &mut Command) {
    for (name, instead) in secrets() {
        match instead {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// All settings given by environment: the part of the name behind the prefix, and the value. Values that are not UTF-8
/// come with an error's text.
pub(crate) fn settings() -> Vec<(String, Option<String>)> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let path = name.to_str()?.strip_prefix(SETTING_PREFIX)?.to_owned();
        Some((path, value.into_string().ok()))
    });
    let mut found: Vec<_> = named.collect();
    found.sort();
    found
}
