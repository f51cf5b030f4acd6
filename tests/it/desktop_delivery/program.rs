//! The program under test, in a root of its own.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use deliver::{Journal, Recorded};
use lock_core::LockKey;
use tempfile::TempDir;
use tests::{
    accessibility_bus::AccessibilityBus,
    program::{fresh_folder, isolated},
};

/// The key of the desktop, unless configured.
pub(crate) const KEY: &str = "messaging_pyautogui";

/// A root with its configuration, and a home, for `talkstick` on one display.
pub(crate) struct Root {
    folder: TempDir,
    display: String,
    session_bus: Option<OsString>,
}

impl Root {
    pub(crate) fn new(display: &str, config: &str) -> Self {
        // Built before anybody measures how long it takes.
        talkstick();
        let folder = fresh_folder();
        for name in ["root", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        std::fs::write(folder.path().join("root/talkstick.toml"), config).expect("the configuration is written");
        Self { folder, display: display.to_owned(), session_bus: None }
    }

    /// The same, its programs in this session.
    pub(crate) fn in_session(mut self, session: &AccessibilityBus) -> Self {
        self.session_bus = Some(session.address().into());
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// `talkstick` with these arguments, on the display, in the root.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.isolated(talkstick());
        command.arg("--root").arg(self.path()).args(arguments);
        command
    }

    /// Any program with nothing in its environment but the display and the home.
    pub(crate) fn isolated(&self, program: &Path) -> Command {
        let mut command = isolated(program, &self.folder.path().join("home"));
        command.env("DISPLAY", &self.display);
        command.envs(self.session_bus.iter().map(|address| ("DBUS_SESSION_BUS_ADDRESS", address)));
        command
    }

    /// Runs it to its end, `stdin` given on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("talkstick starts");
        child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("talkstick reads");
        child.wait_with_output().expect("talkstick ends")
    }

    /// All deliveries on record, in the order in which they began.
    pub(crate) fn history(&self) -> Vec<Recorded> {
        let key = LockKey::new(KEY).expect("a key");
        Journal::open(&self.path(), &key).expect("the journal").history().expect("its records")
    }
}

/// The program, built now: an old one must not be tested.
pub(crate) fn talkstick() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

fn build() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this test");
    // target/PROFILE/deps/test-HASH: the programs lie one folder up.
    let folder = this.ancestors().nth(2).expect("a test binary lies in target/PROFILE/deps").to_owned();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("inside the workspace");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--offline", "--package", "cli", "--bin", "talkstick"]).current_dir(workspace);
    build.arg("--target-dir").arg(folder.parent().expect("a profile lies in a target folder"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo starts").success(), "talkstick does not build");
    folder.join("talkstick")
}
