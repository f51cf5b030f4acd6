//! All settings in one table: it feeds the defaults, the check for unknown keys, `config show` and `config init`.

/// One setting. `*` in the path stands for a name of the user's choice.
pub(crate) struct Setting {
    pub(crate) path: &'static str,
    /// As TOML writes it; `None` for settings that have no default.
    pub(crate) default: Option<&'static str>,
    /// What it is, in a line.
    pub(crate) doc: &'static str,
}

const fn setting(path: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { path, default: Some(default), doc }
}

const fn optional(path: &'static str, doc: &'static str) -> Setting {
    Setting { path, default: None, doc }
}

/// Every setting, sections together.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "lock.backend",
        "\"file\"",
        "Lock store: a backend's name or URL, such as file:/var/lib/swarm; folders are below the root",
    ),
    setting("lock.ttl", "\"10s\"", "How long a lease may go without renewal, where leases expire"),
    setting("file.allow_network_fs", "false", "Lock on a network file system, where flock may not exclude other hosts"),
    setting("queue.max", "10000", "Longest line of one lock"),
    setting("sweep.first", "\"100ms\"", "First pause of the safety sweep of a waiter"),
    setting("sweep.factor", "1.5", "Each pause is this many times the one before"),
    setting("sweep.max", "\"2s\"", "Longest pause of the sweep"),
    setting("send.timeout", "\"30s\"", "How long `send` waits, up to the paste"),
    setting("message.bytes_max", "65536", "Longest message in bytes"),
    setting(
        "desktop.key",
        "\"messaging_pyautogui\"",
        "The lock of this desktop; the default one also holds off old senders",
    ),
    setting(
        "desktop.driver",
        super::driver::Driver::DEFAULT,
        "How the desktop is driven: verified (X11, check and act as one) or portable (looks before and after)",
    ),
    optional("simulated.address", "Where the simulated desktop listens, for agents whose surface is simulated"),
    setting("run.timeout", "\"30s\"", "How long `run` waits for its lock"),
    setting("run.grace", "\"2s\"", "How long a child of `run` may take to end after TERM"),
    optional("agents.*.surface", "The way in: desktop"),
    optional("agents.*.point", "Where to click: [x, y] on the desktop, or inside the window when one is given"),
    optional("agents.*.window.class", "Class of its window, in full"),
    optional("agents.*.window.title", "Title of its window, in full"),
    optional("agents.*.window.pid", "Process of its window"),
    optional("agents.*.profile", "How its window takes a paste: chat, chromium, xterm, terminal or your own"),
    optional("agents.*.description", "What it is there for"),
    optional("profiles.*.base", "The built-in profile to start from"),
    optional("profiles.*.paste", "The chord that pastes"),
    optional("profiles.*.submit", "The chord that submits"),
    optional("profiles.*.selection", "What the paste chord reads: clipboard or primary"),
    optional("profiles.*.settle_ms", "Pause between the confirmed fetch and Enter"),
    optional("profiles.*.multiline", "Whether pasted newlines stay in the input box"),
    optional("profiles.*.fetches", "How often the target fetches the text before it has read it"),
    optional("profiles.*.quiet_ms", "No further fetch for this long before Enter"),
    optional("profiles.*.nudge_ms", "Wake the target by a one-pixel move this often; 0 never"),
    optional("profiles.*.focus_timeout_ms", "How long to wait for the focus after the click"),
    optional("profiles.*.fetch_timeout_ms", "How long to wait for the fetch after the paste"),
];

/// Whether a setting of this path exists.
pub(crate) fn is_known(path: &[String]) -> bool {
    SETTINGS.iter().any(|s| fits(s.path, path))
}

/// Whether settings exist below this path.
pub(crate) fn is_section(path: &[String]) -> bool {
    SETTINGS.iter().any(|s| {
        let pattern: Vec<&str> = s.path.split('.').collect();
        pattern.len() > path.len() && pattern.iter().zip(path).all(|(p, have)| *p == "*" || p == have)
    })
}

/// The setting nearest to a path that is not known, if one is near.
pub(crate) fn nearest_setting(path: &[String]) -> Option<String> {
    let candidates = SETTINGS.iter().map(|s| {
        let filled = s.path.split('.').enumerate().map(|(at, part)| match (part, path.get(at)) {
            ("*", Some(name)) => name.as_str(),
            _ => part,
        });
        filled.collect::<Vec<_>>().join(".")
    });
    nearest(&path.join("."), candidates).or_else(|| nearest_section(path))
}

/// The section nearest to a single name that is neither setting nor section.
fn nearest_section(path: &[String]) -> Option<String> {
    let [name] = path else { return None };
    nearest(name, SETTINGS.iter().filter_map(|s| Some(s.path.split_once('.')?.0.to_owned())))
}

/// The candidate nearest to `word`, if it is near enough to be meant: half of its letters at most differ.
pub(crate) fn nearest(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let distance = |candidate: &String| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let best = candidates.into_iter().min_by_key(distance)?;
    (distance(&best) <= word.chars().count().div_ceil(2).min(6)).then_some(best)
}

fn fits(pattern: &str, path: &[String]) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(p, have)| *p == "*" || p == have)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn knows_its_settings_and_the_nearest_of_unknown_ones() {
        assert!(is_known(&path("lock.backend")) && is_known(&path("agents.Agent-1.window.class")));
        assert!(!is_known(&path("lock")) && is_section(&path("lock")) && is_section(&path("agents.x.window")));
        for (wrong, right) in [
            ("lock.backnd", "lock.backend"),
            ("lok.backend", "lock.backend"),
            ("agents.Agent-1.piont", "agents.Agent-1.point"),
            ("profiles.mine.settle", "profiles.mine.settle_ms"),
            ("snd", "send"),
            ("agent", "agents"),
        ] {
            assert_eq!(nearest_setting(&path(wrong)).as_deref(), Some(right));
        }
        assert_eq!(nearest_setting(&path("zzzzzzzz")), None);
    }
}
