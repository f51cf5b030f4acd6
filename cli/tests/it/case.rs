//! One run of the program, and what must come of it, to the letter.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

/// A root of its own, with a home beside it; nothing of the machine's environment gets in.
pub(crate) struct Case {
    folder: Arc<TempDir>,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    stdin: Vec<u8>,
    cwd: Option<PathBuf>,
    name_root: bool,
}

/// What a run printed and how it ended, with the case's folders shown as `[root]` and `[home]`.
#[must_use = "compare it"]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

/// Two agents on the desktop, one of them with a profile that refuses newlines.
pub(crate) const TWO_AGENTS: &str = "\
[agents.Agent-1]
point = [-1269, 481]
[agents.Agent-2]
point = [10, 20]
profile = \"xterm\"
";

impl Case {
    /// The program with these arguments, in an empty root.
    pub(crate) fn new<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        for name in ["root", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let args = args.into_iter().map(Into::into).collect();
        Self { folder, args, env: Vec::new(), stdin: Vec::new(), cwd: None, name_root: true }
    }

    /// The same folders, other arguments.
    pub(crate) fn again<A: Into<OsString>>(self, args: impl IntoIterator<Item = A>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), stdin: Vec::new(), ..self }
    }

    /// Other arguments in the same folders, beside this case.
    pub(crate) fn again_here<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            folder: Arc::clone(&self.folder),
            args: args.into_iter().map(Into::into).collect(),
            env: self.env.clone(),
            stdin: Vec::new(),
            cwd: self.cwd.clone(),
            name_root: self.name_root,
        }
    }

    /// The root's talkstick.toml.
    pub(crate) fn config(self, text: &str) -> Self {
        self.file("talkstick.toml", text)
    }

    /// A file in the root.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Does not pass `--root`, and starts in this folder: the root has to be found.
    pub(crate) fn find_root_from(mut self, folder: impl Into<PathBuf>) -> Self {
        (self.name_root, self.cwd) = (false, Some(folder.into()));
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("root")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("home")
    }

    /// The text of a file in the root.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap()
    }

    /// Whether no lock file was made: nothing was asked for a lock, so nothing was typed.
    pub(crate) fn touched_nothing(&self) -> bool {
        !self.root().join("runtime").exists()
    }

    pub(crate) fn spawn(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talkstick"));
        command.env_clear().env("HOME", self.home()).envs(self.env.iter().map(|(n, v)| (n, v)));
        command.current_dir(self.cwd.clone().unwrap_or_else(|| self.root()));
        if self.name_root {
            command.arg("--root").arg(self.root());
        }
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may end without reading it.
        let _unread = child.stdin.take().unwrap().write_all(&self.stdin);
        child
    }

    pub(crate) fn run(&self) -> Ran {
        self.ran(&self.spawn().wait_with_output().unwrap())
    }

    pub(crate) fn ran(&self, output: &Output) -> Ran {
        let shown = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let text = text.replace(self.root().to_str().unwrap(), "[root]");
            text.replace(self.home().to_str().unwrap(), "[home]")
        };
        Ran { stdout: shown(&output.stdout), stderr: shown(&output.stderr), code: output.status.code() }
    }
}

impl Ran {
    /// Compares everything.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, stdout: &str, stderr: &str) {
        assert_eq!((self.stdout.as_str(), self.stderr.as_str(), self.code), (stdout, stderr, Some(code)));
    }

    /// The objects that `--json` prints, one a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        objects(&self.stdout)
    }

    /// What `--json` says on stderr.
    #[track_caller]
    pub(crate) fn talk(&self) -> Vec<serde_json::Value> {
        objects(&self.stderr)
    }
}

#[track_caller]
fn objects(lines: &str) -> Vec<serde_json::Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Whether this process could read what its mode forbids: then permissions cannot be tested.
pub(crate) fn is_superuser(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("unreadable");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    fs::File::open(&file).is_ok()
}
