//! All settings in one table: it feeds the defaults, the checks of keys and values, `config show` and `config init`.

use std::time::Duration;

use super::shape::Shape;
use crate::args::SPAN_MAX;

/// One setting. `*` in the path stands for a name of the user's choice.
pub(crate) struct Setting {
    pub(crate) path: &'static str,
    /// As TOML writes it; `None` for settings that have no default.
    pub(crate) default: Option<&'static str>,
    /// What it is, in a line.
    pub(crate) doc: &'static str,
    /// What its value must look like; `None` where its type alone says so, in words of its own.
    pub(crate) shape: Option<Shape>,
}

/// A millisecond setting of a profile is at most a day: longer ones are mistakes.
const MILLISECONDS: Shape = Shape::Number(0.0, 86_400_000.0);
/// Zero does not wait, which is sensible for those who try again themselves.
const ANY_SPAN: Shape = Shape::Span(Duration::ZERO, SPAN_MAX);
/// A lease is renewed three times before it ends, so below a second a short pause of the machine loses it; and a dead
/// holder costs the line what is left of it, which must not be a day.
const TTL: Shape = Shape::Span(Duration::from_secs(1), Duration::from_secs(3600));
/// Below 100 ms a far server would seem silent; beyond a minute a dead one would seem busy.
const ANSWER: Shape = Shape::Span(Duration::from_millis(100), Duration::from_secs(60));
/// More would be waited for at each grant, and nobody runs as many.
const REPLICAS: Shape = Shape::Whole(0, 100);
/// The sweep is the net under lost wake-ups: it may be slow, but never off, and never a busy loop.
const SWEEP: Shape = Shape::Span(Duration::from_millis(10), Duration::from_secs(60));
/// A person who stops for longer has left; a delivery that waits longer would wait for nothing.
const IDLE: Shape = Shape::Span(Duration::ZERO, Duration::from_secs(60));
/// A line of a million is no line, and its file would be read at each change.
const QUEUE: Shape = Shape::Whole(1, 1_000_000);
/// The whole message stands in memory and goes through the clipboard.
const MESSAGE_BYTES: Shape = Shape::Whole(1, 64 << 20);

impl Setting {
    const fn is(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }
}

const fn setting(path: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { path, default: Some(default), doc, shape: None }
}

const fn optional(path: &'static str, doc: &'static str) -> Setting {
    Setting { path, default: None, doc, shape: None }
}

/// Every setting, sections together.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "lock.backend",
        "\"file\"",
        "Lock store: a backend's name or URL, such as file:/var/lib/swarm or sqlite:locks.sqlite; paths are below the root",
    )
    .is(Shape::Text),
    setting("lock.ttl", "\"10s\"", "How long a lease may go without renewal, where leases expire").is(TTL),
    setting("file.allow_network_fs", "false", "Lock on a network file system, where flock may not exclude other hosts")
        .is(Shape::Truth),
    optional("redis.user", "ACL user of the Redis server, when the URL names none").is(Shape::Text),
    optional("redis.password_file", "File with the user's password; without it TALKSTICK_REDIS_PASSWORD is read")
        .is(Shape::Text),
    optional("redis.sentinel_user", "ACL user of the Sentinels").is(Shape::Text),
    optional(
        "redis.sentinel_password_file",
        "File with the Sentinels' password; without it TALKSTICK_REDIS_SENTINEL_PASSWORD is read",
    )
    .is(Shape::Text),
    optional("redis.ca_file", "Certificates to trust for rediss://, in PEM, instead of the system's").is(Shape::Text),
    optional("redis.cert_file", "The client's certificate for rediss://, in PEM").is(Shape::Text),
    optional("redis.key_file", "The key of the client's certificate, in PEM").is(Shape::Text),
    setting("redis.prefix", "\"talkstick:\"", "What all keys and channels on the Redis server begin with")
        .is(Shape::Text),
    setting("redis.wait_replicas", "0", "How many replicas must have a grant or a renewal before it counts").is(REPLICAS),
    setting("redis.timeout", "\"2s\"", "How long the Redis server may take to answer").is(ANSWER),
    setting("queue.max", "10000", "Longest line of one lock").is(QUEUE),
    setting("sweep.first", "\"100ms\"", "First pause of the safety sweep of a waiter").is(SWEEP),
    setting("sweep.factor", "1.5", "Each pause is this many times the one before").is(Shape::Number(1.0, 10.0)),
    setting("sweep.max", "\"2s\"", "Longest pause of the sweep").is(SWEEP),
    setting("send.timeout", "\"30s\"", "How long `send` waits, up to the paste").is(ANY_SPAN),
    setting("message.bytes_max", "65536", "Longest message in bytes").is(MESSAGE_BYTES),
    optional(
        "desktop.key",
        "The lock of this desktop; unless set, messaging_pyautogui with the file backend, else desktop/HOST/DISPLAY",
    )
    .is(Shape::Text),
    setting(
        "desktop.driver",
        super::driver::Driver::DEFAULT,
        "How the desktop is driven: verified (X11, check and act as one) or portable (looks before and after)",
    )
    .is(Shape::OneOf(&["verified", "portable"])),
    setting(
        "desktop.allow_wayland",
        "false",
        "Deliver to X11 programs through XWayland too, where nothing proves that it arrived: `uncertain` at best",
    )
    .is(Shape::Truth),
    setting("human.idle", "\"1.5s\"", "How long nobody may have used mouse or keyboard before a delivery").is(IDLE),
    optional("simulated.address", "Where the simulated desktop listens, for agents whose surface is simulated")
        .is(Shape::Text),
    setting("run.timeout", "\"30s\"", "How long `run` waits for its lock").is(ANY_SPAN),
    setting("run.grace", "\"2s\"", "How long a child of `run` may take to end after TERM").is(ANY_SPAN),
    optional("agents.*.surface", "The way in: desktop").is(Shape::Text),
    optional("agents.*.point", "Where to click: [x, y] on the desktop, or inside the window when one is given")
        .is(Shape::Point),
    optional("agents.*.window.class", "Class of its window, in full").is(Shape::Text),
    optional("agents.*.window.title", "Title of its window, in full").is(Shape::Text),
    optional("agents.*.window.pid", "Process of its window").is(Shape::Whole(1, u32::MAX as i64)),
    optional("agents.*.profile", "How its window takes a paste: chat, chromium, xterm, terminal or your own")
        .is(Shape::Text),
    optional("agents.*.description", "What it is there for"),
    optional("profiles.*.base", "The built-in profile to start from").is(Shape::Text),
    optional("profiles.*.paste", "The chord that pastes").is(Shape::Text),
    optional("profiles.*.submit", "The chord that submits").is(Shape::Text),
    optional("profiles.*.selection", "What the paste chord reads: clipboard or primary")
        .is(Shape::OneOf(&["clipboard", "primary"])),
    optional("profiles.*.settle_ms", "Pause between the confirmed fetch and Enter").is(MILLISECONDS),
    optional("profiles.*.multiline", "Whether pasted newlines stay in the input box").is(Shape::Truth),
    optional("profiles.*.fetches", "How often the target fetches the text before it has read it")
        .is(Shape::Whole(1, 1000)),
    optional("profiles.*.requests", "How many requests one paste makes; after fewer the quiet is ten times as long")
        .is(Shape::Whole(0, 1000)),
    optional("profiles.*.quiet_ms", "No further fetch for this long before Enter").is(MILLISECONDS),
    optional("profiles.*.until_read", "End the quiet when the target is seen to have read the text").is(Shape::Truth),
    optional("profiles.*.nudge_ms", "Wake the target by a one-pixel move this often; 0 never").is(MILLISECONDS),
    optional("profiles.*.focus_timeout_ms", "How long to wait for the focus after the click").is(MILLISECONDS),
    optional("profiles.*.fetch_timeout_ms", "How long to wait for the fetch after the paste").is(MILLISECONDS),
];

/// Whether a setting of this path exists.
pub(crate) fn is_known(path: &[String]) -> bool {
    SETTINGS.iter().any(|s| fits(s.path, path))
}

/// What a setting's value must look like.
pub(crate) fn shape_of(path: &[String]) -> Option<Shape> {
    SETTINGS.iter().find(|s| fits(s.path, path))?.shape
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
