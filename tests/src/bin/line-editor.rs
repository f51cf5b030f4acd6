//! The input box of an agent in a terminal: Return submits, a bracketed paste is text with all its lines.
//!
//! Usage: `line-editor FILE`. Appends a JSON line to FILE when it is ready and for each submitted message, and keeps
//! what stands unsent in the file beside it with the ending `draft` (`tests::terminal_messages` reads both). Bytes that
//! are no paste and no Return go into the draft as they are, so that stray keys are seen.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    editor::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod editor {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};
    use std::path::Path;
    use std::process::ExitCode;

    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use tests::terminal_messages::{Entry, Record};

    const PASTE_BEGINS: &[u8] = b"\x1b[200~";
    const PASTE_ENDS: &[u8] = b"\x1b[201~";

    pub(super) fn main() -> ExitCode {
        let Some(path) = std::env::args_os().nth(1) else {
            let _ = writeln!(std::io::stderr(), "usage: line-editor FILE");
            return ExitCode::from(2);
        };
        match edit(&Record::at(path)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "line-editor: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn edit(record: &Record) -> std::io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(record.path())?;
        let mut raw = tcgetattr(std::io::stdin())?;
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        // Bracketed paste on, then a question: the answer says that the terminal has taken both.
        say(b"\x1b[?2004h\x1b[6n")?;
        let mut input = std::io::stdin().lock();
        let mut waiting = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut editor = Editor { file, draft: Vec::new(), is_pasting: false };
        let mut is_ready = false;
        loop {
            let read = input.read(&mut chunk)?;
            if read == 0 {
                return Ok(());
            }
            waiting.extend_from_slice(&chunk[..read]);
            if !is_ready {
                is_ready = editor.greet(&mut waiting)?;
            }
            if is_ready {
                editor.take(&mut waiting)?;
                editor.keep_draft(&record.draft_path())?;
            }
        }
    }

    struct Editor {
        file: File,
        draft: Vec<u8>,
        is_pasting: bool,
    }

    impl Editor {
        /// Looks for the terminal's answer (`ESC [ row ; column R`), takes it out and writes down that it came.
        fn greet(&self, waiting: &mut Vec<u8>) -> std::io::Result<bool> {
            let Some(begin) = waiting.windows(2).position(|pair| pair == b"\x1b[") else { return Ok(false) };
            let is_answer = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
            let Some(length) = waiting[begin + 2..].iter().position(|byte| !is_answer(byte)) else { return Ok(false) };
            if waiting[begin + 2 + length] != b'R' {
                return Ok(false);
            }
            waiting.drain(begin..=begin + 2 + length);
            let window = std::env::var("WINDOWID").ok().and_then(|id| id.parse().ok());
            self.write_down(&Entry::Ready { pid: std::process::id(), window })?;
            say(b"> ")?;
            Ok(true)
        }

        /// Takes all input but the beginning of a mark whose end has not come yet.
        fn take(&mut self, waiting: &mut Vec<u8>) -> std::io::Result<()> {
            let mut at = 0;
            while let Some(byte) = waiting.get(at).copied() {
                let rest = &waiting[at..];
                let mark = if self.is_pasting { PASTE_ENDS } else { PASTE_BEGINS };
                if rest.starts_with(mark) {
                    self.is_pasting = !self.is_pasting;
                    at += mark.len();
                    continue;
                }
                // Also of one byte: a terminal's output may be read in pieces that end anywhere.
                if byte == 0x1b && mark.starts_with(rest) {
                    break;
                }
                match byte {
                    // Terminals send a pasted line feed as a carriage return: the key that ends a line.
                    b'\r' if self.is_pasting => self.draft.push(b'\n'),
                    b'\r' => self.submit()?,
                    other => self.draft.push(other),
                }
                at += 1;
            }
            waiting.drain(..at);
            Ok(())
        }

        fn submit(&mut self) -> std::io::Result<()> {
            let text = String::from_utf8_lossy(&self.draft).into_owned();
            self.draft.clear();
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let at_ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
            say(format!("\r\nsubmitted {} bytes\r\n> ", text.len()).as_bytes())?;
            self.write_down(&Entry::Submitted { text, at_ns })
        }

        /// One write per line, so that a reader sees whole lines in their order.
        fn write_down(&self, entry: &Entry) -> std::io::Result<()> {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            (&self.file).write_all(&line)
        }

        /// Renamed into place, so that a reader never sees half a draft.
        fn keep_draft(&self, path: &Path) -> std::io::Result<()> {
            let new = path.with_extension("draft-new");
            std::fs::write(&new, &self.draft)?;
            std::fs::rename(new, path)
        }
    }

    fn say(bytes: &[u8]) -> std::io::Result<()> {
        let mut terminal = std::io::stdout().lock();
        terminal.write_all(bytes)?;
        terminal.flush()
    }

    #[cfg(test)]
    mod pieces {
        use super::*;

        #[test]
        fn a_paste_is_known_in_whatever_pieces_it_is_read() {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("record");
            let mut editor =
                Editor { file: File::create(&path).expect("a file"), draft: Vec::new(), is_pasting: false };
            let mut waiting = Vec::new();
            for byte in *b"a\x1b[200~b\rc\x1b[201~d\r" {
                waiting.push(byte);
                editor.take(&mut waiting).expect("taken");
            }
            assert_eq!(Record::at(path).messages(), ["ab\ncd"]);
        }
    }
}
