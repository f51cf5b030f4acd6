//! One case's surroundings: a fresh store, a runtime, and what the cases say again and again.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{Harness, Needs, process::Process};
use crate::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, LockKey, Moment, Priority};

/// No case may take longer; a hang is reported as this case's failure.
const CASE_MAX: Duration = Duration::from_secs(60);

/// A fresh store with its clients.
pub struct Fixture<H: Harness> {
    /// The backend's own part.
    pub harness: H,
    /// A client.
    pub lock: Arc<dyn DistributedLock>,
    /// The key that the case works on.
    pub key: LockKey,
    /// Path of the test that other processes are.
    process_test: String,
}

impl<H: Harness> Fixture<H> {
    fn fresh(module: &str) -> Self {
        let harness = H::fresh();
        let lock = harness.client();
        let key = LockKey::new("conformance").unwrap_or_else(|e| unreachable!("{e}"));
        // `crate::path::obligation` to `path::conformance_process`, which stands beside the obligations.
        let mut path: Vec<&str> = module.split("::").skip(1).collect();
        path.pop();
        path.push("conformance_process");
        Self { harness, lock, key, process_test: path.join("::") }
    }

    /// Runs one case on a fresh store, or says loudly why not.
    ///
    /// # Panics
    /// When the case fails, or takes longer than a minute.
    pub fn run(
        module: &str,
        name: &str,
        needs: Needs,
        case: impl FnOnce(Arc<Self>) -> Pin<Box<dyn Future<Output = ()>>>,
    ) {
        let fixture = Self::fresh(module);
        if !needs.met(&fixture.lock.capabilities(), H::fresh().lose_data()) {
            return report(&format!("SKIPPED {name}: {} does not declare {needs:?}", fixture.lock));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let runtime = runtime.expect("a runtime for the case");
        let outcome = runtime.block_on(async { tokio::time::timeout(CASE_MAX, case(Arc::new(fixture))).await });
        assert!(outcome.is_ok(), "{name} took longer than {CASE_MAX:?}");
    }

    /// Asserts how many of the cases are left out.
    ///
    /// # Panics
    /// When the harness declares another number.
    pub fn assert_skipped(needs: &[Needs]) {
        let fixture = Self::fresh("");
        let loses_data = H::fresh().lose_data();
        let skipped = needs.iter().filter(|n| !n.met(&fixture.lock.capabilities(), loses_data)).count();
        report(&format!("{} cases, {skipped} skipped for {}", needs.len(), fixture.lock));
        assert_eq!(skipped, H::SKIPPED, "cases skipped on {}", fixture.lock);
    }

    /// Acquires the case's key with the default options.
    ///
    /// # Panics
    /// When that fails.
    pub async fn acquire(&self) -> Guard {
        self.acquire_as("").await
    }

    /// Acquires the case's key for `label`.
    ///
    /// # Panics
    /// When that fails.
    pub async fn acquire_as(&self, label: &str) -> Guard {
        self.lock.acquire(&self.key, &options().label(label)).await.expect("acquired")
    }

    /// Starts a task that acquires, reports its label when it holds, and lets go at once. Returns when it is in line.
    ///
    /// # Panics
    /// When it does not get in line.
    pub async fn wait_in_line(
        &self,
        label: &str,
        priority: Priority,
        held: &tokio::sync::mpsc::UnboundedSender<String>,
    ) -> tokio::task::JoinHandle<()> {
        self.wait_in_line_with(options().label(label).priority(priority), held).await
    }

    /// As [`Fixture::wait_in_line`], with these options; they hold the label.
    pub(super) async fn wait_in_line_with(
        &self,
        options: AcquireOptions,
        held: &tokio::sync::mpsc::UnboundedSender<String>,
    ) -> tokio::task::JoinHandle<()> {
        let before = self.lock.inspect(&self.key).await.expect("inspected").queue.len();
        let (lock, key, held) = (Arc::clone(&self.lock), self.key.clone(), held.clone());
        let task = tokio::spawn(async move {
            let guard = lock.acquire(&key, &options).await.expect("acquired in line");
            held.send(guard.owner().label.clone()).expect("the case listens");
            guard.release().await.expect("released");
        });
        self.until_waiting(before + 1).await;
        task
    }

    /// Starts another process that asks for the case's key `turns` times.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(super) fn process(&self, label: &str, priority: Priority, turns: usize) -> Process {
        Process::start(&self.harness, &self.process_test, &self.key, label, priority, turns)
    }

    /// Returns when exactly `count` tickets wait.
    ///
    /// # Panics
    /// When that does not come about in time.
    pub async fn until_waiting(&self, count: usize) {
        until(&format!("{count} in line"), async || {
            self.lock.inspect(&self.key).await.expect("inspected").queue.len() == count
        })
        .await;
    }
}

/// Options that bound every wait of a case.
pub(super) fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(20))
}

/// Probes until a condition holds.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Moment::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(!deadline.is_past(), "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Says something to whoever reads the test's output.
#[allow(clippy::print_stderr, reason = "a skipped case must be seen")]
fn report(line: &str) {
    eprintln!("{line}");
}
