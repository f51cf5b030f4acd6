//! The commented talkstick.toml that `config init` writes, made from the table of settings.

use crate::settings::schema::SETTINGS;

const HEAD: &str = "\
# talkstick: only the one who holds the talking stick speaks.
# The folder of this file is the root: the locks are in runtime/locks below it, the same for all who send from here.
# Each line shows the default; take the # away to change it. `talkstick config show` says what is in force.
";

const AGENTS: &str = "
# Agents, by `talkstick agents add NAME --point X,Y`, `talkstick agents import FILE`, or by hand:
#
# [agents.Agent-1]
# surface = \"desktop\"
# point = [-1269, 481]           # negative: left of or above the first monitor
# window = { class = \"Cursor\" }  # optional: what tells the window from others (class, title, pid)
# profile = \"chromium\"           # chat, chromium, xterm, terminal, or one of your own:
#
# [profiles.mine]
# base = \"chromium\"
# settle_ms = 50
";

/// The file's text.
pub(super) fn text() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for setting in SETTINGS {
        let (Some(default), Some((of, name))) = (setting.default, setting.path.split_once('.')) else { continue };
        if of != section {
            section = of;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&format!("# {}\n# {name} = {default}\n", setting.doc));
    }
    text.push_str(AGENTS);
    text
}

#[cfg(test)]
mod tests {
    /// With every # of a setting taken away, the file must still be TOML.
    #[test]
    fn the_template_is_toml_with_and_without_its_settings() {
        let text = super::text();
        text.parse::<toml_edit::DocumentMut>().unwrap();
        let set: String = text
            .lines()
            .map(|l| match l.strip_prefix("# ") {
                Some(line) if line.contains(" = ") || line.starts_with('[') => format!("{line}\n"),
                _ => format!("{l}\n"),
            })
            .collect();
        set.parse::<toml_edit::DocumentMut>().unwrap();
        assert!(set.contains("\nmax = 10000\n"));
    }
}
