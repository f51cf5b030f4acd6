//! Opens agent windows in a process of their own.
//!
//! Usage: `agent-windows '{"display":":7","count":4}'` (the fields of `tests::agent_windows::Options`).
//! Says one JSON line when the windows are ready, and one for each submitted message. Takes lines on stdin: `drafts`,
//! `close INDEX`; ends at the end of stdin.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    serve::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod serve {
    use std::error::Error;
    use std::io::{BufRead as _, Write as _};
    use std::process::ExitCode;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use tests::agent_windows::{AgentWindows, Options};
    use tests::agent_windows_process::Line;

    pub(super) fn main() -> ExitCode {
        match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "agent-windows: {error} ({:?})", error.source());
                ExitCode::FAILURE
            }
        }
    }

    fn run() -> Result<(), Box<dyn Error>> {
        let options: Options = serde_json::from_str(&std::env::args().nth(1).unwrap_or_else(|| "{}".to_owned()))?;
        let windows = AgentWindows::open(&options)?;
        print(&Line::Ready { pid: std::process::id(), windows: windows.windows().to_vec() })?;
        let printed = Mutex::new(0);
        std::thread::scope(|scope| {
            // Ends with the process, at the latest when nobody reads what it prints.
            scope.spawn(|| {
                loop {
                    let seen = *printed.lock().unwrap_or_else(PoisonError::into_inner);
                    windows.submissions_after(seen, Duration::from_secs(3600));
                    if print_new(&windows, &printed).is_err() {
                        std::process::exit(1);
                    }
                }
            });
            let answered = answer(&windows, &printed);
            drop(std::io::stdout().flush());
            std::process::exit(i32::from(answered.is_err()));
        })
    }

    fn answer(windows: &AgentWindows, printed: &Mutex<usize>) -> Result<(), Box<dyn Error>> {
        for line in std::io::stdin().lock().lines() {
            match line?.trim().split_once(' ') {
                None => {
                    let drafts = windows.drafts()?;
                    // What was submitted before the drafts were looked at is said before them.
                    print_new(windows, printed)?;
                    print(&Line::Drafts { drafts })?;
                }
                Some((_, index)) => {
                    let index = index.parse()?;
                    windows.close(index)?;
                    print(&Line::Closed { closed: index })?;
                }
            }
        }
        Ok(())
    }

    fn print_new(windows: &AgentWindows, printed: &Mutex<usize>) -> std::io::Result<()> {
        let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        for submission in windows.submissions_after(*printed, Duration::ZERO) {
            print(&Line::Submitted(submission))?;
            *printed += 1;
        }
        Ok(())
    }

    fn print(line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
