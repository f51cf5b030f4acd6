//! A wall clock that a test sets, for the programs that run by it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::program::fresh_folder;

/// The wall clock of some programs, as far off the host's as the test says. Clocks that are never set (monotonic, since boot)
/// are the host's own.
///
/// Needs a C compiler: [`crate::require!`] `cc`.
#[derive(Debug)]
pub struct WallClock {
    home: TempDir,
}

impl WallClock {
    /// One that is right.
    ///
    /// # Panics
    /// When the system's temporary folder cannot be written.
    pub fn right() -> Self {
        let clock = Self { home: fresh_folder() };
        File::create(clock.offset()).expect("the clock is made");
        clock.set(0);
        clock
    }

    /// What runs a program by it: `env NAME=VALUE NAME=VALUE`.
    pub fn run(&self) -> Vec<String> {
        let library = format!("LD_PRELOAD={}", LIBRARY.display());
        vec!["env".to_owned(), library, format!("TALKSTICK_TEST_WALL_CLOCK={}", self.offset().display())]
    }

    /// Sets it so many seconds ahead of the host's, or behind.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, seconds_ahead: i64) {
        // Over what was there, in one write: programs have it in their memory.
        let file = File::options().write(true).open(self.offset());
        file.and_then(|mut file| file.write_all(&seconds_ahead.to_ne_bytes())).expect("the clock is set");
    }

    fn offset(&self) -> PathBuf {
        self.home.path().join("seconds-ahead")
    }
}

/// What stands between a program and its clocks: built once for this process, beside its own program.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let this = std::env::current_exe().expect("the path of this test");
    let library = this.with_file_name("wall_clock.so");
    // In one piece: other test programs use it, too.
    let new = this.with_file_name(format!("wall_clock.so.{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wall_clock.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&new).arg(source);
    let output = compiler.output().expect("cc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(new, &library).expect("the library is there");
    library
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require;

    #[test]
    fn a_step_moves_the_wall_clock_of_its_programs_and_no_other_clock() {
        require!("cc", "python3");
        let clock = WallClock::right();
        let seconds = |of: &str| -> f64 {
            let mut words = clock.run().into_iter();
            let mut command = Command::new(words.next().unwrap());
            let look = format!("import time; print(time.clock_gettime(time.{of}))");
            let said = command.args(words).args(["python3", "-c", &look]).output().unwrap();
            String::from_utf8_lossy(&said.stdout).trim().parse().unwrap()
        };
        let (wall, since_boot) = (seconds("CLOCK_REALTIME"), seconds("CLOCK_BOOTTIME"));
        clock.set(7200);
        assert!(seconds("CLOCK_REALTIME") - wall >= 7200.0);
        assert!(seconds("CLOCK_BOOTTIME") - since_boot < 3600.0 && seconds("CLOCK_MONOTONIC") - since_boot < 3600.0);
        clock.set(-7200);
        assert!(seconds("CLOCK_REALTIME") < wall);
    }
}
