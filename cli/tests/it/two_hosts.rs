//! The session of docs/deploy-redis.md, replayed with the page's own server and settings, on two hosts.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tests::{
    hosts::Hosts,
    probe::READY_WITHIN,
    process::Process,
    program::{fresh_folder, isolated},
    redis_server::RedisServer,
    require, require_hosts,
};

/// What the page leaves to its reader.
const PASSWORD: &str = "secret-word";
/// What a session leaves out.
const ANYTHING: &str = "...";
/// One authority, and a server's certificate.
const PAPERS: &str = r#"set -e
new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
$new -x509 -subj /CN=authority -days 2 -keyout ca.key -out ca.crt
$new -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName=IP:%s' "$1" > extensions
openssl x509 -req -days 2 -CA ca.crt -CAkey ca.key -CAcreateserial -in server.csr -out server.crt -extfile extensions
"#;

fn page() -> &'static str {
    include_str!("../../../docs/deploy-redis.md")
}

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    page().split(fence.as_str()).skip(1).map(|block| block.split("\n```").next().unwrap_or(block)).collect()
}

/// Two hosts with a root each, and the server of the page.
struct Session {
    running: HashMap<&'static str, Process>,
    _server: RedisServer,
    hosts: Hosts,
    folder: tempfile::TempDir,
}

impl Session {
    fn open() -> Self {
        let folder = fresh_folder();
        let mut papers = isolated("sh", folder.path());
        let made = papers.args(["-c", PAPERS, "sh", Hosts::SWITCH]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let hosts = Hosts::new(2);
        let server = server(&hosts, folder.path());
        for host in ["north", "south"] {
            settle_in(&folder.path().join(host), &folder.path().join("ca.crt"));
        }
        Self { running: HashMap::new(), _server: server, hosts, folder }
    }

    /// A shell on a host, in its root.
    fn start(&self, host: &str, script: &str) -> Process {
        let within = self.hosts.on(u8::from(host == "south"));
        let mut command = isolated(&within[0], &self.folder.path().join(host));
        command.args(&within[1..]).args(["unshare", "--uts", "sh", "-c", "hostname $1; exec 2>&1; eval \"$2\"", "sh"]);
        command.args([host, script]);
        let programs = Path::new(env!("CARGO_BIN_EXE_talkstick")).parent().unwrap();
        command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
        Process::start(command)
    }

    /// What a command prints until its end.
    fn run(&mut self, host: &'static str, script: &str) -> Vec<String> {
        let mut process = match script {
            "fg" => self.running.remove(host).unwrap_or_else(|| panic!("nothing runs on {host}")),
            _ => self.start(host, script),
        };
        process.wait(READY_WITHIN);
        std::iter::from_fn(|| process.line(READY_WITHIN)).collect()
    }

    fn replay(&mut self, step: &Step) {
        if let Some(script) = step.command.strip_suffix(" &") {
            let process = self.start(step.host, script);
            step.begins(&process);
            self.running.insert(step.host, process);
            return;
        }
        // What another command, left running, has done by now may be seen a moment later.
        let patience = if step.command.starts_with("talkstick status") { READY_WITHIN } else { Duration::ZERO };
        let deadline = Instant::now() + patience;
        loop {
            let printed = self.run(step.host, step.command);
            if is_as_shown(&step.printed, &printed) {
                return;
            }
            let Step { host, command, printed: shown } = step;
            assert!(Instant::now() < deadline, "{host}$ {command}\nprinted {printed:#?}\nnot {shown:#?}");
        }
    }
}

/// The server as the page sets it up.
fn server(hosts: &Hosts, papers: &Path) -> RedisServer {
    let config = blocks("conf")[0];
    let config = config.replace("/etc/redis/tls", papers.to_str().unwrap()).replace("PASSWORD", PASSWORD);
    let mut options = Vec::new();
    for line in config.lines() {
        let mut words = line.split(' ');
        options.push(format!("--{}", words.next().unwrap()));
        options.extend(words.map(str::to_owned));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    RedisServer::start_within(hosts.on_switch(), &options)
}

/// A host's files as the page has them.
fn settle_in(root: &Path, authority: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir(root).unwrap();
    let mut settings = blocks("toml")[0].replace("redis.example", Hosts::SWITCH);
    // Longer than the lease that ends without a renewal: a call that fails right before that end would be its reason.
    settings.push_str("\nredis.timeout = \"10s\"\n");
    fs::write(root.join("talkstick.toml"), settings).unwrap();
    fs::copy(authority, root.join("ca.crt")).unwrap();
    fs::write(root.join("redis.password"), PASSWORD).unwrap();
    fs::set_permissions(root.join("redis.password"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// One command of the session, and what the page says that it prints.
struct Step {
    host: &'static str,
    command: &'static str,
    printed: Vec<&'static str>,
}

impl Step {
    /// Waits until a command that is left running has printed what stands below it. The rest comes with `fg`.
    fn begins(&self, process: &Process) {
        let Self { host, command, printed: shown } = self;
        let mut printed = Vec::new();
        while !is_as_shown(shown, &printed) {
            let line = process.line(READY_WITHIN);
            printed.push(line.unwrap_or_else(|| panic!("{host}$ {command}\nprinted {printed:#?}\nnot {shown:#?}")));
        }
    }
}

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks("console").into_iter().flat_map(str::lines) {
        match line.split_once("$ ") {
            Some((host @ ("north" | "south"), command)) => steps.push(Step { host, command, printed: Vec::new() }),
            _ => steps.last_mut().unwrap().printed.push(line),
        }
    }
    steps
}

/// Whether the lines are as shown, where a line of three dots stands for any lines.
fn is_as_shown(shown: &[&str], printed: &[String]) -> bool {
    match (shown, printed) {
        ([], printed) => printed.is_empty(),
        ([ANYTHING, rest @ ..], _) => (0..=printed.len()).any(|from| is_as_shown(rest, &printed[from..])),
        ([first, shown @ ..], [line, printed @ ..]) => is_like(first, line) && is_as_shown(shown, printed),
        (_, []) => false,
    }
}

/// Whether the line is as shown, where three dots stand for any text.
fn is_like(shown: &str, line: &str) -> bool {
    match shown.split_once(ANYTHING) {
        None => shown == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            ends.into_iter().any(|at| is_like(rest, &line[at..]))
        }),
    }
}

#[test]
fn what_is_shown_is_told_from_what_is_not() {
    let printed = ["one 1 two".to_owned(), "three".to_owned()];
    for shown in [&["one ... two", "three"][..], &["..."], &["one...", "...", "three"], &["...", "three"]] {
        assert!(is_as_shown(shown, &printed), "{shown:?}");
    }
    for shown in [&["one ... two"][..], &["one ...1", "three"], &["...", "four"], &["...two", "three", "four"], &[]] {
        assert!(!is_as_shown(shown, &printed), "{shown:?}");
    }
}

#[test]
fn the_session_of_the_page_is_true() {
    require!("redis-server", "redis-cli", "openssl", "ip", "unshare");
    require_hosts!();
    let steps = steps();
    assert!(steps.len() > 10, "the page has a session");
    let mut session = Session::open();
    for step in &steps {
        session.replay(step);
    }
    assert!(session.running.is_empty(), "the page leaves something running");
}
