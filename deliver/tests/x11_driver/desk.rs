//! A real X server with agent windows, a lock, and the driver under test.

use std::{sync::Arc, time::Duration};

use deliver::desktop::{
    Bound, Chord, Desktop, FetchRule, Fetched, Place, Refusal, Selection, WindowIdentity,
    portable::PortableDesktop,
    x11::{
        X11Desktop, XWayland,
        keeper::{self, KeeperCommand},
    },
};
use deliver::{
    MessageId,
    agent_windows::{Behaviour, Options},
};
use lock_core::{AcquireOptions, BlockingGuard, BlockingLock, LockKey, Moment, ThreadLock};
use tests::{agent_windows_process::AgentWindowsProcess, clipboard, probe::until, process, xvfb::Xvfb};

/// How long anything may take before a test fails: far more than it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The rule for windows that fetch once.
pub(crate) const ONCE: FetchRule =
    FetchRule { fetches: 1, requests: 0, until_finished: false, quiet: Duration::ZERO, until_read: false, nudge: None };

/// This test program, started again as a keeper.
pub(crate) fn keeper_command() -> KeeperCommand {
    let this = std::env::current_exe().unwrap();
    KeeperCommand::new(this, ["desk::keeper_role", "--exact", "--ignored", "--nocapture"])
}

#[test]
#[ignore = "a role that other tests start"]
fn keeper_role() {
    if std::env::var_os(keeper::KEEPER_VARIABLE).is_some() {
        keeper::run().unwrap();
    }
}

/// A display with agent windows.
pub(crate) struct Desk {
    pub(crate) windows: AgentWindowsProcess,
    // Below what lives on it.
    pub(crate) xvfb: Xvfb,
}

impl Desk {
    pub(crate) fn with(count: usize, behaviour: Behaviour) -> Self {
        Self::of(&Options { count, behaviour, ..Options::default() })
    }

    pub(crate) fn of(options: &Options) -> Self {
        let xvfb = Xvfb::start();
        Self { windows: AgentWindowsProcess::start(xvfb.display(), options), xvfb }
    }

    pub(crate) fn display(&self) -> &str {
        self.xvfb.display()
    }

    pub(crate) fn driver(&self) -> X11Desktop {
        X11Desktop::connect(Some(self.display()), &keeper_command()).unwrap()
    }

    pub(crate) fn portable(&self) -> PortableDesktop {
        PortableDesktop::connect(XWayland::Refuse, Some(self.display()), &keeper_command()).unwrap()
    }

    /// SIGKILL to the keeper, which owns the clipboard.
    pub(crate) fn kill_keeper(&self) {
        let keeper =
            clipboard::owner_pid(self.display(), clipboard::Selection::Clipboard).expect("it owns the clipboard");
        process::sigkill(keeper);
        // Its connections close one by one: that the server knows of its end does not say that its senders do.
        let owns = || clipboard::owner_pid(self.display(), clipboard::Selection::Clipboard) == Some(keeper);
        until(DEADLINE, "the keeper is gone", || !process::is_alive(keeper) && !owns());
    }

    /// The middle of a window.
    pub(crate) fn point(&self, window: usize) -> Place {
        let (x, y) = self.windows.windows()[window].centre();
        Place { point: Some((x.into(), y.into())), window: None }
    }

    /// What was submitted, `(window, text)`, once there are `count`.
    pub(crate) fn submitted(&self, count: usize) -> Vec<(usize, String)> {
        let submissions = self.windows.submissions(count, DEADLINE);
        submissions.into_iter().map(|submission| (submission.window, submission.text)).collect()
    }

    /// All that was submitted and all that stands unsent, when everything has been handled.
    pub(crate) fn settled(&mut self) -> (Vec<(usize, String)>, Vec<String>) {
        let (submissions, drafts) = self.windows.settle();
        let submitted = submissions.into_iter().map(|submission| (submission.window, submission.text)).collect();
        (submitted, drafts.into_values().map(|draft| draft.text).collect())
    }
}

/// A lock that is held: the right to act.
pub(crate) fn guard() -> BlockingGuard {
    let lock = BlockingLock::new(Arc::new(ThreadLock::new()));
    lock.acquire(&LockKey::new("desktop/test").unwrap(), &AcquireOptions::default()).unwrap()
}

pub(crate) fn titled(title: &str) -> Place {
    let window = WindowIdentity { title: Some(title.into()), ..WindowIdentity::default() };
    Place { point: None, window: Some(window) }
}

pub(crate) fn chord(text: &str) -> Chord {
    text.parse().unwrap()
}

/// An id for a message that has no name.
pub(crate) fn message_id() -> MessageId {
    "m".parse().unwrap()
}

pub(crate) fn soon() -> Moment {
    Moment::now() + DEADLINE
}

/// Up to the paste.
pub(crate) fn paste(
    driver: &mut dyn Desktop,
    guard: &BlockingGuard,
    place: &Place,
    text: &str,
) -> Result<Bound, Refusal> {
    let permit = guard.permit();
    let target = driver.bind(place)?;
    driver.sweep(&permit)?;
    driver.click(&permit, &target)?;
    driver.await_focus(&target, soon())?;
    driver.offer(&permit, text, Selection::Clipboard)?;
    driver.paste(&permit, &target, &chord("ctrl+v"), &message_id())?;
    Ok(target)
}

/// One whole delivery, without the journal.
pub(crate) fn deliver(
    driver: &mut dyn Desktop,
    guard: &BlockingGuard,
    place: &Place,
    text: &str,
    rule: FetchRule,
) -> Result<Fetched, Refusal> {
    let target = paste(driver, guard, place, text)?;
    let fetched = driver.await_fetched(&target, rule, soon())?;
    driver.submit(&guard.permit(), &target, &chord("return"), true)?;
    // As the protocol does: what a target still asks for must be this text, not what is put back.
    let late = FetchRule { fetches: fetched.by_target + 1, ..rule };
    driver.await_fetched(&target, late, Moment::now() + rule.quiet).ok();
    driver.restore(&guard.permit())?;
    Ok(fetched)
}
