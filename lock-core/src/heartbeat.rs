//! The heartbeat: one task for all leases of the process, on the background runtime.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    Error, Moment, background,
    lease_watch::LeaseWatch,
    sync::{AtomicU64, LazyLock, Mutex, Notify, Ordering, PoisonError},
};

/// A renewal is sent when this part of the ttl has passed: two may be lost before the deadline.
const RENEWALS_PER_TTL: u32 = 3;

/// How long the heartbeat stays awake after its last lease: a process that locks again and again then never pays for
/// waking it.
const LINGER: Duration = Duration::from_secs(1);

static HEARTBEAT: LazyLock<Heartbeat> = LazyLock::new(Heartbeat::default);

#[derive(Debug, Default)]
struct Heartbeat {
    beats: Mutex<Beats>,
    /// When the task looks next, nanoseconds since boot; `u64::MAX` while it sleeps until called. Written by the task
    /// before it sleeps, under `beats`, so that who adds an earlier beat sees it and calls.
    next_look_ns: AtomicU64,
    call: Notify,
}

#[derive(Debug, Default)]
struct Beats {
    /// The task that looks at them was started; it stays for good.
    looked_at: bool,
    of: Vec<Beat>,
}

#[derive(Debug)]
struct Beat {
    watch: Weak<LeaseWatch>,
    due: Moment,
}

/// Renews and checks the lease from now on, until its guard lets go.
pub(crate) fn watch(watch: &Arc<LeaseWatch>) -> Result<(), Error> {
    let due = next_beat(watch);
    let mut beats = HEARTBEAT.beats.lock().unwrap_or_else(PoisonError::into_inner);
    if !beats.looked_at {
        background::spawn(HEARTBEAT.run())?;
        beats.looked_at = true;
    }
    beats.of.push(Beat { watch: Arc::downgrade(watch), due });
    if due.since_boot_ns() < HEARTBEAT.next_look_ns.load(Ordering::Acquire) {
        HEARTBEAT.call.notify_one();
    }
    Ok(())
}

fn next_beat(watch: &LeaseWatch) -> Moment {
    let capabilities = watch.lock.capabilities();
    let interval = if capabilities.expires {
        capabilities.check_every.min(watch.ttl / RENEWALS_PER_TTL)
    } else {
        capabilities.check_every
    };
    let next = Moment::now() + interval;
    watch.deadline().map_or(next, |deadline| next.min(deadline))
}

impl Heartbeat {
    async fn run(&'static self) {
        let mut idle_since = Moment::now();
        loop {
            let (due, next) = self.look();
            for watch in due {
                beat(watch);
            }
            let until = match next {
                Some(next) => {
                    idle_since = Moment::now();
                    Some(next)
                }
                None if idle_since.elapsed() < LINGER => Some(Moment::now() + LINGER / 20),
                None => None,
            };
            self.sleep(until).await;
        }
    }

    /// Forgets leases that ended or were lost, whose deadline would have it look without a pause; gives those that are due, and when to look again.
    fn look(&self) -> (Vec<Arc<LeaseWatch>>, Option<Moment>) {
        let mut due = Vec::new();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.of.retain_mut(|beat| {
            let Some(watch) = beat.watch.upgrade().filter(|watch| !watch.is_over()) else { return false };
            if beat.due.is_past() {
                beat.due = next_beat(&watch);
                due.push(watch);
            }
            true
        });
        let next = beats.of.iter().map(|beat| beat.due).min();
        (due, next)
    }

    async fn sleep(&self, until: Option<Moment>) {
        let until = {
            let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = beats.of.iter().map(|beat| beat.due).min();
            let until = until.into_iter().chain(earliest).min();
            self.next_look_ns.store(until.map_or(u64::MAX, Moment::since_boot_ns), Ordering::Release);
            until
        };
        let Some(moment) = until else { return self.call.notified().await };
        tokio::select! {
            biased;
            () = self.call.notified() => {}
            slept = background::sleep_until(moment) => {
                // This runs where the timer is.
                let Ok(()) = slept else { unreachable!("the background runtime has ended") };
            }
        }
    }
}

/// One beat: the deadline is judged by the local clock, whatever the store answers or whether it answers.
fn beat(watch: Arc<LeaseWatch>) {
    if watch.check_told_and_clock().is_err() || watch.renewing.swap(true, Ordering::AcqRel) {
        return;
    }
    let renewal = background::spawn(async move {
        match watch.confirm().await {
            Ok(()) | Err(Error::Lost { .. }) => {}
            Err(error) => watch.tell_unconfirmed(error),
        }
        watch.renewing.store(false, Ordering::Release);
    });
    if let Err(error) = renewal {
        tracing::error!(%error, "a lease could not be renewed");
    }
}
