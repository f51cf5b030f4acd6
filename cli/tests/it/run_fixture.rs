//! A root of its own for each test, runs in it, and waits with a deadline.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
};

use lock_core::{DistributedLock, Holder, KeyState, LockKey, background};
use rustix::process::{Pid, Signal};
use tests::redis_server::RedisServer;

/// A root with locks of its own; also the working directory of what runs there.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    lock: Arc<dyn DistributedLock>,
    /// Where its locks are, when they are on a server of its own.
    _server: Option<RedisServer>,
}

/// Makes tests of functions that take a home: one for each store, in a module of its name.
macro_rules! on_every_store {
    ($($test:ident)*) => {
        crate::run_fixture::on_stores_of_this_host! { $($test)* }
        #[cfg(feature = "redis")]
        mod redis {
            $(#[test] fn $test() {
                tests::require!("redis-server", "redis-cli");
                super::$test(&crate::run_fixture::Home::on_redis());
            })*
        }
    };
}
pub(crate) use on_every_store;

/// The same, for what only the kernel can prove, and for leases that do not expire.
macro_rules! on_stores_of_this_host {
    ($($test:ident)*) => {
        mod file {
            $(#[test] fn $test() { super::$test(&crate::run_fixture::Home::new()); })*
        }
        mod sqlite {
            $(#[test] fn $test() { super::$test(&crate::run_fixture::Home::on_sqlite()); })*
        }
    };
}
pub(crate) use on_stores_of_this_host;

/// A process of the test's own, killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = lock_file::FileConfig::new(dir.path().join("runtime/locks"));
        let lock = Arc::new(lock_file::FileLock::open(config).unwrap());
        Self { dir, lock, _server: None }
    }

    /// The same, with its locks in a database.
    pub(crate) fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = lock_sqlite::SqliteConfig::new(dir.path().join("runtime/locks.sqlite"));
        let lock = Arc::new(lock_sqlite::SqliteLock::open(config).unwrap());
        let home = Self { dir, lock, _server: None };
        home.write("talkstick.toml", "lock.backend = \"sqlite\"\n");
        home
    }

    /// The same, with its locks on a server of its own.
    #[cfg(feature = "redis")]
    pub(crate) fn on_redis() -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), RedisServer::start());
        let opening = lock_redis::RedisLock::open(lock_redis::RedisConfig::parse(&server.url()).unwrap());
        let lock = Arc::new(background::handle().unwrap().block_on(opening).unwrap());
        let configuration = format!("lock.backend = \"{}\"\n", server.url());
        let home = Self { dir, lock, _server: Some(server) };
        home.write("talkstick.toml", &configuration);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The file that other programs lock for this key.
    pub(crate) fn gate(&self, key: &str) -> PathBuf {
        self.path(&format!("runtime/locks/{key}.lock"))
    }

    /// `talkstick --root HOME ARGS...`
    pub(crate) fn talkstick(&self, args: &[&str]) -> Command {
        let root = ["--root", self.dir.path().to_str().unwrap()];
        self.program(env!("CARGO_BIN_EXE_talkstick"), &[&root, args].concat())
    }

    /// Any program, in this home, with nothing of the caller's talkstick in its environment.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TALKSTICK")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `run KEY FLAGS... -- sh -c SCRIPT`, waited for.
    pub(crate) fn run(&self, flags: &[&str], script: &str) -> Output {
        self.run_command(flags, script).output().unwrap()
    }

    /// The same, left running.
    pub(crate) fn start(&self, flags: &[&str], script: &str) -> Running {
        Running(self.run_command(flags, script).spawn().unwrap())
    }

    pub(crate) fn run_command(&self, flags: &[&str], script: &str) -> Command {
        self.talkstick(&[&["run", "k"], flags, &["--", "sh", "-c", script]].concat())
    }

    /// Who holds the key `k`, and who waits.
    pub(crate) fn state(&self) -> KeyState {
        let key = LockKey::new("k").unwrap();
        background::handle().unwrap().block_on(self.lock.inspect(&key)).unwrap()
    }

    /// Tells the holder of `k` to let go, without its waiting for that.
    pub(crate) fn break_lease(&self) {
        let Holder::Lease { token, .. } = self.state().holder else { panic!("nobody holds `k`") };
        let key = LockKey::new("k").unwrap();
        background::handle().unwrap().block_on(self.lock.break_lock(&key, token, false)).unwrap();
    }

    /// Waits until as many tickets are in line for `k`.
    pub(crate) fn until_waiting(&self, tickets: usize) {
        until("tickets are in line", || self.state().queue.len() == tickets);
    }

    /// Waits until a command has written the file, and gives what is in it.
    pub(crate) fn until_written(&self, name: &str) -> String {
        until(name, || fs::read_to_string(self.path(name)).is_ok_and(|text| text.ends_with('\n')));
        self.read(name)
    }

    pub(crate) fn until_pid(&self, name: &str) -> Pid {
        Pid::from_raw(self.until_written(name).trim().parse().unwrap()).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The same, with what it printed. What is printed must fit into a pipe.
    pub(crate) fn end_with_output(mut self) -> Output {
        let status = self.end();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        std::io::Read::read_to_end(&mut self.0.stdout.take().unwrap(), &mut stdout).unwrap();
        std::io::Read::read_to_end(&mut self.0.stderr.take().unwrap(), &mut stderr).unwrap();
        Output { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Waits for a condition, at most as long as anything may take that has no measure of its own.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    tests::probe::until(tests::probe::READY_WITHIN, what, holds);
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The objects on stderr. Of what is no object, all must be the command's own, whose lines begin with "child".
pub(crate) fn talk(output: &Output) -> Vec<serde_json::Value> {
    let stderr = text(&output.stderr);
    let ours = stderr.lines().filter(|line| !line.starts_with("child"));
    ours.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// The one of them that says how the run came out. What is said of the release comes behind it.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    talk(output).into_iter().find(|object| object.get("outcome").is_some()).expect("an outcome")
}

/// Whether a process runs; a zombie does not.
pub(crate) fn is_alive(pid: Pid) -> bool {
    tests::process::is_alive(pid.as_raw_nonzero().get().unsigned_abs())
}

/// Whether a process is stopped.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The command's name is in parentheses and may hold any character.
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
}
