//! The threads that sleep: started at the first need, and kept for a while when nobody needs them.
//!
//! A new thread is put on an idle processor, and later woken there: rousing it costs more than all the rest of a handover.
//! One that has slept before is woken where its process runs.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    error::Trouble,
    key::{Key, REPLACED_MAX, Section},
    sleeper,
};

/// Room for the stack of a thread that reads one file and logs.
const STACK_BYTES: usize = 128 * 1024;

/// How long a thread stays that has nothing to do: a process that asks again and again does not start one each time.
const LINGER: Duration = Duration::from_secs(1);

impl Section<'_> {
    /// Has a thread look where to sleep.
    pub(crate) fn start_sleeper(&mut self) -> Result<(), Trouble> {
        let Some(key) = self.key.shared() else { return Ok(()) };
        {
            let mut table = self.key.table();
            table.starting = true;
            if table.parked > 0 {
                table.parked -= 1;
                table.called += 1;
                self.key.call.notify_one();
                return Ok(());
            }
        }
        let builder = std::thread::Builder::new().name("talkstick-wait".to_owned()).stack_size(STACK_BYTES);
        let started = builder.spawn(move || run(&key));
        started.map(drop).map_err(|source| {
            self.key.table().starting = false;
            Trouble::io("start a thread to wait for", self.files.gate_path())(source)
        })
    }
}

/// One thread, until nobody needs it.
fn run(key: &Arc<Key>) {
    let mut replaced = 0..REPLACED_MAX;
    loop {
        let files = key.files();
        match sleeper::step(key) {
            Ok(true) => {}
            Ok(false) if key.park() => {}
            Ok(false) => return,
            Err(trouble) if key.lost_its_files(files.as_ref()) => {
                // Deleted or replaced in the middle of a step: the next one opens them anew.
                if replaced.next().is_some() {
                    continue;
                }
                // The tasks look now and then, and start another one, or say that the files are gone for good.
                tracing::debug!(key = %key.name, error = %trouble, "the files are being deleted");
                key.table().starting = false;
                return;
            }
            Err(trouble) => return fail(key, trouble),
        }
    }
}

impl Key {
    /// Waits until the thread is called to sleep again; `false` if it is not for [`LINGER`], or another one waits already.
    fn park(&self) -> bool {
        let mut table = self.table();
        if table.parked > 0 {
            return false;
        }
        table.parked += 1;
        let parked = self.call.wait_timeout_while(table, LINGER, |table| table.called == 0);
        let mut table = parked.unwrap_or_else(PoisonError::into_inner).0;
        // Who calls takes the thread off the count, so a call that comes at the last moment is answered too.
        let called = table.called > 0;
        if called {
            table.called -= 1;
        } else {
            table.parked -= 1;
        }
        called
    }
}

/// Tells the tasks that wait: what is unknown is no lock, and no waiting either.
fn fail(key: &Key, trouble: Trouble) {
    tracing::error!(key = %key.name, error = %trouble, "the thread that waits for the lock failed");
    let trouble = Arc::new(trouble);
    let mut table = key.table();
    table.starting = false;
    for ticket in table.tickets.values_mut().filter(|t| !t.granted) {
        ticket.fault = Some(Arc::clone(&trouble));
        ticket.ring.notify_one();
    }
}
