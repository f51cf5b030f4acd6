//! What is printed where: data to stdout, talk to stderr. With `--json` each line of either is one object.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{
    ExitStatus,
    args::{ColorWhen, GlobalArgs},
    env_vars,
    error::CommandError,
};

/// The two streams of one run. Control characters in what it prints are shown as `\u{..}`: names and titles come from
/// strangers.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Data could not be written although somebody wants it: a full disk, not a reader who has gone.
    lost_data: bool,
    talk: Talk,
}

/// The stderr half, which other threads may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Talk {
    json: bool,
    quiet: bool,
    color: bool,
}

impl Ui {
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let color = match global.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => !env_vars::is_set(env_vars::NO_COLOR) && io::stderr().is_terminal(),
        };
        Self { lost_data: false, talk: Talk { json: global.json, quiet: global.quiet, color } }
    }

    /// Whether data, and talk as well, is to be JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.talk.json
    }

    pub(crate) const fn talk(&self) -> Talk {
        self.talk
    }

    /// Prints lines of data.
    pub(crate) fn data(&mut self, text: &str) {
        self.print(&printable(text));
    }

    fn print(&mut self, line: &str) {
        if let Err(error) = write_line(&mut io::stdout().lock(), line) {
            self.could_not_print(&error);
        }
    }

    fn could_not_print(&mut self, error: &io::Error) {
        // The reader may have gone (`talkstick status | head -1`); the work itself goes on, as its outcome counts.
        if error.kind() != io::ErrorKind::BrokenPipe && !std::mem::replace(&mut self.lost_data, true) {
            self.warn(&format!("the output could not be written: {error}"));
        }
    }

    /// The status of a command whose data is all that it is there for.
    pub(crate) fn unless_lost(&self, status: ExitStatus) -> ExitStatus {
        match self.lost_data && status == ExitStatus::SUCCESS {
            true => ExitStatus::CONFIG,
            false => status,
        }
    }

    /// Prints one object of data as a line of JSON.
    pub(crate) fn json(&mut self, object: &impl Serialize) {
        match json_line(object) {
            Ok(line) => self.print(&line),
            Err(error) => self.talk.warn(&format!("the output cannot be written as JSON: {error}")),
        }
    }

    /// Says what happens, unless quiet.
    pub(crate) fn say(&mut self, text: &str) {
        self.talk.say(text);
    }

    /// Says what should not be missed, also when quiet.
    pub(crate) fn warn(&mut self, text: &str) {
        self.talk.warn(text);
    }

    /// Shows an error with its hints on stderr; returns its exit status.
    pub(crate) fn fail(&mut self, error: &CommandError) -> ExitStatus {
        self.talk.error(error, error.exit_status());
        error.exit_status()
    }
}

impl Talk {
    /// Without colours: for helper processes.
    pub(crate) const fn plain() -> Self {
        Self { json: false, quiet: false, color: false }
    }

    pub(crate) fn say(self, text: &str) {
        match (self.quiet, self.json) {
            (true, _) => {}
            (false, true) => tell_json(&serde_json::json!({"note": text})),
            (false, false) => tell(&printable(text)),
        }
    }

    pub(crate) fn warn(self, text: &str) {
        match self.json {
            true => tell_json(&serde_json::json!({"warning": text})),
            false => tell(&format!("{} {}", self.paint("33", "warning:"), printable_line(text))),
        }
    }

    /// Shows why the program ends with `status`.
    pub(crate) fn error(self, error: &CommandError, status: ExitStatus) {
        match self.json {
            true => tell_json(&serde_json::json!({"error": error, "exit": status.code()})),
            false => self.failure(&error.message, error.hints.iter().map(String::as_str)),
        }
    }

    /// What to do, unless quiet; for people.
    pub(crate) fn hint(self, hint: &str) {
        if !self.quiet {
            tell(&format!("{} {}", self.paint("36", "hint:"), printable(hint)));
        }
    }

    /// An error and what to do about it, on one line; for people.
    pub(crate) fn failure<'h>(self, message: &str, hints: impl IntoIterator<Item = &'h str>) {
        let mut text = message.to_owned();
        for hint in hints {
            text.push_str(if text.ends_with('?') { " " } else { "; " });
            text.push_str(hint);
        }
        tell(&format!("{} {}", self.paint("31", "error:"), printable_line(&text)));
    }

    pub(crate) const fn is_colored(self) -> bool {
        self.color
    }

    fn paint(self, code: &str, word: &str) -> String {
        match self.color {
            true => format!("\u{1b}[{code}m{word}\u{1b}[0m"),
            false => word.to_owned(),
        }
    }
}

/// The text of a table without the blanks around its lines.
pub(crate) fn lines_of(table: &comfy_table::Table) -> String {
    let lines = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// A table for people: plain columns, no lines, no wrapping.
pub(crate) fn table(header: &[&'static str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table
}

/// Control characters, line ends and tabs aside, made visible.
pub(crate) fn printable(text: &str) -> String {
    visible(text, &['\n', '\t'])
}

/// The same of what must stay on one line.
fn printable_line(text: &str) -> String {
    visible(text, &['\t'])
}

fn visible(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if !kept.contains(&c) => shown.push_str("\\n"),
            c if c.is_control() && !kept.contains(&c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// An object as one line of JSON without control characters, of which JSON itself allows some.
pub(crate) fn json_line(object: &impl Serialize) -> serde_json::Result<String> {
    let mut line = String::new();
    for c in serde_json::to_string(object)?.chars() {
        match c.is_control() {
            true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => line.push(c),
        }
    }
    Ok(line)
}

fn tell_json(object: &serde_json::Value) {
    // Only an object with keys that are no text cannot be written.
    if let Ok(line) = json_line(object) {
        tell(&line);
    }
}

/// Writes to stderr. A closed stream leaves nobody to tell.
fn tell(text: &str) {
    let _closed = write_line(&mut io::stderr().lock(), text);
}

fn write_line(to: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(to, "{text}").and_then(|()| to.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\td"), "a\\u{1b}[2Jb\nc\td");
        assert_eq!(printable_line("a\r\nb\tc"), "a\\u{d}\\nb\tc");
    }

    #[test]
    fn json_stays_json_without_them() {
        let title = "a\u{1b}b\u{9b}c\u{7f}";
        let line = json_line(&title).unwrap();
        assert_eq!(line, r#""a\u001bb\u009bc\u007f""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), title);
    }
}
