//! Hosts with addresses of their own, joined by a switch: network namespaces of this kernel.
//!
//! The switch lives in a namespace too, so nothing is added to the network of the machine.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::require::require_that;

/// What the names of ours begin with; the process that made them follows.
const PREFIX: &str = "talkstick-";

/// Returns from the calling test, loudly, where network namespaces cannot be made.
///
/// # Panics
/// There, when the environment has `CI`.
#[macro_export]
macro_rules! require_hosts {
    () => {
        if !$crate::hosts::can_be_made() {
            return;
        }
    };
}

/// Whether network namespaces can be made; says on the terminal why not.
///
/// # Panics
/// When they cannot be and the environment has `CI`.
pub fn can_be_made() -> bool {
    require_that(
        Namespace::make("probe").map(drop).map_err(|why| format!("no network namespaces (root, iproute2): {why}")),
    )
}

/// A switch, which is a host itself, and hosts around it. They are removed when it is dropped.
#[derive(Debug)]
pub struct Hosts {
    hosts: Vec<Namespace>,
    switch: Namespace,
}

impl Hosts {
    /// The address of the switch.
    pub const SWITCH: &str = "10.0.0.1";

    /// So many hosts around a switch, 250 at most.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new(count: u8) -> Self {
        remove_left_behind();
        let switch = made("switch");
        switch.ip(&["link", "set", "lo", "up"]);
        switch.ip(&["link", "add", "switch", "type", "bridge"]);
        switch.ip(&["address", "add", &format!("{}/24", Self::SWITCH), "dev", "switch"]);
        switch.ip(&["link", "set", "switch", "up"]);
        let mut hosts = Vec::new();
        for number in 0..count {
            let host = made("host");
            let port = port(number);
            switch.ip(&["link", "add", &port, "type", "veth", "peer", "name", "net0", "netns", &host.name]);
            switch.ip(&["link", "set", &port, "master", "switch", "up"]);
            host.ip(&["address", "add", &format!("10.0.0.{}/24", number + 2), "dev", "net0"]);
            host.ip(&["link", "set", "lo", "up"]);
            host.ip(&["link", "set", "net0", "up"]);
            hosts.push(host);
        }
        Self { hosts, switch }
    }

    /// What runs a program on the switch.
    pub fn on_switch(&self) -> Vec<String> {
        self.switch.exec()
    }

    /// What runs a program on a host.
    pub fn on(&self, host: u8) -> Vec<String> {
        self.hosts[usize::from(host)].exec()
    }

    /// The host's own link goes down: its programs are told that there is no way.
    pub fn take_down(&self, host: u8) {
        self.hosts[usize::from(host)].ip(&["link", "set", "net0", "down"]);
    }

    /// Undoes [`Hosts::take_down`].
    pub fn bring_up(&self, host: u8) {
        self.hosts[usize::from(host)].ip(&["link", "set", "net0", "up"]);
    }

    /// Nothing passes between the host and the others any more, and nobody is told.
    pub fn unplug(&self, host: u8) {
        self.switch.ip(&["link", "set", &port(host), "nomaster"]);
    }

    /// Undoes [`Hosts::unplug`].
    pub fn plug_in(&self, host: u8) {
        self.switch.ip(&["link", "set", &port(host), "master", "switch"]);
    }
}

/// The name of a host's port at the switch.
fn port(host: u8) -> String {
    format!("port{host}")
}

#[derive(Debug)]
struct Namespace {
    name: String,
}

impl Namespace {
    /// Named after this process: those of a killed one can be told.
    fn make(what: &str) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{what}", std::process::id());
        ip(&["netns", "add", &name])?;
        Ok(Self { name })
    }

    fn ip(&self, words: &[&str]) {
        let mut all = vec!["-n", &self.name];
        all.extend(words);
        ip(&all).unwrap_or_else(|error| panic!("{error}"));
    }

    fn exec(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Not a panic: it may be on the way already, and this must not hide its reason.
        if let Err(error) = ip(&["netns", "delete", &self.name]) {
            let _ = writeln!(std::io::stderr(), "a network namespace is left behind: {error}");
        }
    }
}

/// What processes that were killed have left behind.
fn remove_left_behind() {
    let owner = |name: &str| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok();
    for name in names().unwrap_or_else(|error| panic!("{error}")) {
        if owner(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another test may be faster.
            let _removed = ip(&["netns", "delete", &name]);
        }
    }
}

/// Of all network namespaces that have one.
fn names() -> Result<Vec<String>, String> {
    let list = ip(&["netns", "list"])?;
    Ok(list.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn made(what: &str) -> Namespace {
    Namespace::make(what).unwrap_or_else(|error| panic!("{error}"))
}

fn ip(words: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(name: &str) -> bool {
        names().unwrap().iter().any(|other| other == name)
    }

    #[test]
    fn what_a_killed_process_has_left_behind_is_removed() {
        crate::require_hosts!();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let left = format!("{PREFIX}{}-0-host", gone.id());
        ip(&["netns", "add", &left]).unwrap();
        let ours = Hosts::new(0);
        assert!(!is_there(&left) && is_there(&ours.switch.name));
    }

    #[test]
    fn a_panic_removes_them_and_nothing_reaches_an_unplugged_host() {
        crate::require_hosts!();
        let name = std::sync::Mutex::new(String::new());
        let failed = std::panic::catch_unwind(|| {
            let hosts = Hosts::new(2);
            *name.lock().unwrap() = hosts.hosts[1].name.clone();
            let reaches = || {
                let words = hosts.on(1);
                let script = format!("exec 3<>/dev/tcp/{}/9", Hosts::SWITCH);
                // A refusal is an answer of the switch; without one the connection stays open until the timeout.
                let mut asking = Command::new(&words[0]);
                let asked = asking.args(&words[1..]).args(["timeout", "0.5", "bash", "-c", &script]).output().unwrap();
                String::from_utf8_lossy(&asked.stderr).contains("refused")
            };
            crate::probe::until(crate::probe::READY_WITHIN, "the link is up", reaches);
            hosts.unplug(1);
            assert!(!reaches());
            hosts.plug_in(1);
            crate::probe::until(crate::probe::READY_WITHIN, "the link is back", reaches);
            hosts.take_down(1);
            assert!(!reaches());
            hosts.bring_up(1);
            crate::probe::until(crate::probe::READY_WITHIN, "the link is up again", reaches);
            assert!(is_there(&hosts.hosts[1].name));
            std::panic::resume_unwind(Box::new("the test's own"));
        });
        let why = failed.unwrap_err();
        assert_eq!(why.downcast_ref::<&str>(), Some(&"the test's own"), "{why:?}");
        let name = name.into_inner().unwrap();
        assert!(!name.is_empty() && !is_there(&name));
    }
}
