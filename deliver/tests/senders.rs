//! Many sender processes on one simulated desktop, under the file lock: exact, once, in order; and what their deaths leave.

#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

use std::{
    collections::HashSet,
    env,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use deliver::{
    Journal, Profile, Receipt, Recorded, SendOptions, State,
    desktop::Step,
    simulated::{Address, Control, Fault, FaultKind},
};
use lock_core::DistributedLock;
use lock_file::{FileConfig, FileLock};

mod desk;
use desk::{DEADLINE, agent, await_journal, deliverer, desktop, key, message, role, submitted};

const ADDRESS: &str = "SENDER_ADDRESS";
const ROOT: &str = "SENDER_ROOT";
const NUMBER: &str = "SENDER_NUMBER";
const MESSAGES: &str = "SENDER_MESSAGES";
const WINDOWS: &str = "SENDER_WINDOWS";
const READY: &str = "sender-ready";
const RECEIPT: &str = "sender-receipt ";

/// A sender process: connects, says that it is ready, waits for the start, sends its messages, prints its receipts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a role that other tests start"]
async fn sender_role() {
    if env::var_os(ADDRESS).is_none() {
        return;
    }
    let text = |name| env::var(name).expect("a role gets its settings");
    let number = |name| text(name).parse::<usize>().expect("a number");
    let (sender, messages, windows) = (number(NUMBER), number(MESSAGES), number(WINDOWS));
    let address: Address = text(ADDRESS).parse().expect("an address");
    let root = text(ROOT);
    let deliverer = deliverer(&address, file_lock(Path::new(&root)), Path::new(&root));
    let mut out = std::io::stdout();
    writeln!(out, "{READY}").unwrap();
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let options = SendOptions { timeout: DEADLINE, ..SendOptions::default() };
    for k in 0..messages {
        let to = agent((sender + k + 1) % windows + 1, Profile::default());
        let receipt = deliverer.send(&message(&text_of(sender, k)), &to, &options).await.expect("a receipt");
        writeln!(out, "{RECEIPT}{}", serde_json::to_string(&receipt).unwrap()).unwrap();
    }
}

fn text_of(sender: usize, k: usize) -> String {
    format!("sender {sender} message {k}\nsecond line")
}

fn file_lock(root: &Path) -> Arc<dyn DistributedLock> {
    Arc::new(FileLock::open(FileConfig::new(root)).expect("the file lock opens"))
}

/// A sender process, ended with its fixture.
struct Sender {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Sender {
    /// Starts it and waits until it is ready to send.
    fn start(number: usize, messages: usize, windows: usize, address: &Address, root: &Path) -> Self {
        let mut command = role("sender_role");
        command.env(ADDRESS, address.to_string()).env(ROOT, root).env(NUMBER, number.to_string());
        command.env(MESSAGES, messages.to_string()).env(WINDOWS, windows.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a sender starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut sender = Self { child, stdout };
        let mut line = String::new();
        while !line.contains(READY) {
            line.clear();
            assert_ne!(sender.stdout.read_line(&mut line).unwrap(), 0, "the sender ended before it was ready");
        }
        sender
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().expect("a pipe").write_all(b"go\n").unwrap();
    }

    /// Waits for its end; its receipts.
    fn finish(mut self) -> Vec<Receipt> {
        let mut output = String::new();
        self.stdout.read_to_string(&mut output).unwrap();
        assert!(self.child.wait().unwrap().success(), "{output}");
        let receipts = output.lines().filter_map(|line| line.strip_prefix(RECEIPT));
        receipts.map(|json| serde_json::from_str(json).unwrap()).collect()
    }

    /// SIGKILL, and its end seen.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Only for a test that failed on the way: a sender that has ended needs no ending.
        let _already_ended = self.child.kill().and_then(|()| self.child.wait().map(drop));
    }
}

#[test]
fn sixteen_senders_deliver_exactly_once_in_their_windows_in_the_order_of_asking() {
    const SENDERS: usize = 16;
    const MESSAGES: usize = 5;
    const WINDOWS: usize = 8;
    let root = tempfile::tempdir().unwrap();
    let desktop = desktop(8, 1);
    let mut senders: Vec<_> =
        (0..SENDERS).map(|n| Sender::start(n, MESSAGES, WINDOWS, desktop.address(), root.path())).collect();
    let began = Instant::now();
    senders.iter_mut().for_each(Sender::go);
    let receipts: Vec<_> = senders.into_iter().flat_map(Sender::finish).collect();
    let wall = began.elapsed();
    assert_eq!(receipts.len(), SENDERS * MESSAGES);
    for receipt in &receipts {
        assert_eq!(receipt.state, State::Submitted, "{receipt:?}");
    }
    let log = Control::connect(desktop.address()).unwrap().log().unwrap();
    let all = (0..SENDERS).flat_map(|s| (0..MESSAGES).map(move |k| (s, k)));
    for window in 1..=WINDOWS {
        let expected: HashSet<String> =
            all.clone().filter(|(s, k)| (s + k + 1) % WINDOWS + 1 == window).map(|(s, k)| text_of(s, k)).collect();
        let arrived = submitted(&log, window);
        assert_eq!(arrived.len(), expected.len(), "window {window}: {arrived:?}");
        assert!(arrived.iter().all(|text| expected.contains(*text)), "window {window}: {arrived:?}");
        assert_eq!(log.windows[window - 1].draft, "", "window {window}");
    }
    assert_eq!(log.lost_keys, 0);
    // The order of arrival is the order of the tickets, read back from the journal by each message's digest.
    let mut by_ticket = Journal::open(root.path(), &key()).unwrap().history().unwrap();
    by_ticket.sort_by_key(|recorded| recorded.ticket);
    let mut arrived: Vec<_> = log.windows.iter().flat_map(|window| &window.submitted).collect();
    arrived.sort_by_key(|submitted| submitted.order);
    let digests: Vec<_> = arrived.iter().map(|submitted| message(&submitted.text).digest()).collect();
    let inversions = by_ticket.iter().zip(&digests).filter(|(recorded, digest)| recorded.digest != **digest).count();
    assert_eq!(inversions, 0);
    eprintln!("16 senders x 5 messages: {wall:?}");
}

/// A sender that is killed between two steps: the journal tells the truth, the next sender gets the lock at once, and
/// nothing is typed where it does not belong.
#[test]
fn a_killed_sender_leaves_the_truth_in_the_journal_and_the_lock_to_the_next() {
    let stall = || FaultKind::Delay { ms: 60_000 };
    let never = Fault::now(FaultKind::NeverFetch);
    type Reached = fn(&Recorded) -> bool;
    // Where the desktop stalls, what the journal must say before the kill, what it says after it.
    let table: [(Fault, Reached, State); 4] = [
        (Fault::before(Step::Focus, stall()), |r| r.state == State::Rejected, State::Rejected),
        (Fault::before(Step::Paste, stall()), |r| r.state == State::Uncertain, State::Uncertain),
        (never, |r| r.state == State::Uncertain, State::Uncertain),
        (Fault::before(Step::Submit, stall()), |r| r.submitting, State::Uncertain),
    ];
    for (fault, reached, state) in table {
        let root = tempfile::tempdir().unwrap();
        let desktop = desktop(3, 1);
        let mut control = Control::connect(desktop.address()).unwrap();
        // In deliveries to the doomed sender's window only: it may die before the fault strikes.
        control.fault(fault.clone().window("Agent-2")).unwrap();
        // Sender 0 sends to window 2.
        let mut doomed = Sender::start(0, 1, 3, desktop.address(), root.path());
        let mut next = Sender::start(1, 1, 3, desktop.address(), root.path());
        doomed.go();
        let journal = Journal::open(root.path(), &key()).unwrap();
        await_journal(&journal, reached);
        doomed.kill();
        let killed_at = Instant::now();
        next.go();
        let receipts = next.finish();
        let handed_over = killed_at.elapsed();
        assert_eq!(receipts[0].state, State::Submitted, "{fault:?}: {receipts:?}");
        eprintln!("{state}: next sender done {handed_over:?} after the kill");
        assert!(handed_over < Duration::from_secs(5), "{fault:?}: {handed_over:?}");
        let recorded = &journal.history().unwrap()[0];
        assert_eq!((recorded.state, &recorded.receipt), (state, &None), "{fault:?}");
        let replayed = recorded.clone().into_receipt();
        assert_eq!((replayed.state, replayed.retry_safe), (state, state == State::Rejected), "{fault:?}");
        let log = control.log().unwrap();
        assert_eq!(submitted(&log, 3), [text_of(1, 0)], "{fault:?}");
        assert!(submitted(&log, 1).is_empty() && submitted(&log, 2).is_empty(), "{fault:?}: {log:?}");
        assert_eq!(log.windows[2].draft, "", "{fault:?}");
    }
}
