//! What the system tells of a process: proc(5) on Linux, nothing elsewhere.

/// A process at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// What it is doing: `R`, `S`, `D`, `T` and `t` (stopped), `Z` and `X` (dead), as proc(5) has them.
    pub state: char,
    /// Its process group.
    pub group: i32,
    /// When it started, in clock ticks since boot: with its number it names one process.
    pub start: u64,
}

impl ProcessStat {
    /// What stands in `/proc/PID/stat`.
    #[cfg(any(target_os = "linux", test))]
    fn parse(stat: &str) -> Option<Self> {
        // The command in parentheses may hold anything, parentheses too. Behind the last one: state, parent, group, and the
        // start 19 fields after the state.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let state = fields.first()?.chars().next()?;
        Some(Self { state, group: fields.get(2)?.parse().ok()?, start: fields.get(19)?.parse().ok()? })
    }

    /// Whether it is stopped: by SIGSTOP and the like, or a debugger.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.eq_ignore_ascii_case(&'T')
    }
}

/// What the process is doing; `None` where there is none with this number, or the system does not tell.
#[cfg(target_os = "linux")]
#[must_use]
pub fn process_stat(pid: u32) -> Option<ProcessStat> {
    ProcessStat::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// What the process is doing; `None` where there is none with this number, or the system does not tell.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn process_stat(_pid: u32) -> Option<ProcessStat> {
    None
}

/// When the process started, in the host's own unit; `None` where it does not run or the system does not tell.
#[must_use]
pub fn process_start(pid: u32) -> Option<u64> {
    process_stat(pid).map(|stat| stat.start)
}

/// Whether a process is stopped (SIGSTOP, a debugger); `None` where it does not run, or is a later one with the same
/// number, or the system does not tell.
#[must_use]
pub fn process_is_stopped(pid: u32, start: u64) -> Option<bool> {
    process_stat(pid).filter(|stat| stat.start == start).map(|stat| stat.is_stopped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_hostile_command_name() {
        let text = "12 (a) R 1 99 (b) Z 7 42 42 0 -1 4 5 6 7 8 9 10 11 12 13 14 15 16 777 18 19";
        assert_eq!(ProcessStat::parse(text), Some(ProcessStat { state: 'Z', group: 42, start: 777 }));
        assert_eq!(ProcessStat::parse("gone"), None);
        assert_eq!(ProcessStat::parse("12 (a) R 1"), None);
    }

    #[test]
    fn this_process_is_at_work() {
        let pid = std::process::id();
        let known = process_start(pid).and_then(|start| process_is_stopped(pid, start));
        assert_eq!(known, cfg!(target_os = "linux").then_some(false));
    }
}
