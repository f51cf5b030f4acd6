//! The sweep: one thread of the process looks for all its waiters, each at its own pace, should a wake-up be lost.
//!
//! A look is a handful of reads, however long the line is. It wakes nobody while all is as it should be, so a hundred
//! waiting processes cost next to nothing.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak},
    time::Duration,
};

use lock_core::{FencingToken, Moment, RequestId, flock, turn::InLine};
use tokio::sync::Notify;

use crate::{
    entry::Entry, error::Trouble, header::Header, holder::Record, key::Key, key_files::KeyFiles, line::Line,
    waiting::PASS_OVER_AFTER,
};

static SWEEPER: LazyLock<Sweeper> = LazyLock::new(Sweeper::default);

/// The thread's work, earliest first.
#[derive(Debug, Default)]
struct Sweeper {
    rounds: Mutex<Rounds>,
    earlier: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    due: BinaryHeap<Round>,
    runs: bool,
}

/// When to look for whom; nobody any more when the future that waits was dropped.
#[derive(Debug)]
struct Round {
    at: Moment,
    watch: Weak<Watch>,
}

/// What the sweep does for one wait.
#[derive(Debug)]
pub(crate) struct Watch {
    key: Arc<Key>,
    request: RequestId,
    ring: Arc<Notify>,
    until: Moment,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sight: Sight,
    /// How many looks there were.
    looks: usize,
    found: Option<Result<Found, Trouble>>,
}

/// What the task must see to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// A ticket, a file or a thread is not where it should be.
    Disorder,
    /// The head of the line leaves a free gate lying.
    Free { since: Moment },
}

/// What a waiter has seen of the gate.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Held at that time, by whomever.
    Held { at: Moment },
    /// Free since then, and after the lease with this token.
    Free { since: Moment, last_token: FencingToken },
}

impl Watch {
    pub(crate) fn new(key: &Arc<Key>, request: RequestId, ring: &Arc<Notify>, until: Moment) -> Self {
        let state = State { sight: Sight::Held { at: Moment::now() }, looks: 0, found: None };
        let (key, ring) = (Arc::clone(key), Arc::clone(ring));
        Self { key, request, ring, until, state: Mutex::new(state) }
    }

    /// Looks from now on, next at the latest at `at`; and rings when something is found, or at the end of the wait.
    pub(crate) fn start(self: &Arc<Self>, at: Option<Moment>) -> Result<(), Trouble> {
        let pause = self.next_pause();
        let at = at.into_iter().fold(pause, Moment::min);
        SWEEPER.add(Round { at, watch: Arc::downgrade(self) })
    }

    /// What was found; the looks have ended with it.
    pub(crate) fn found(&self) -> Result<Option<Found>, Trouble> {
        self.state().found.take().transpose()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_pause(&self) -> Moment {
        let mut state = self.state();
        let pause = self.key.config.sweep.pauses().nth(state.looks).unwrap_or(PASS_OVER_AFTER);
        // The pauses do not grow for ever, and need not be counted for ever.
        state.looks = (state.looks + 1).min(PAUSES_MAX);
        (Moment::now() + pause).min(self.until)
    }

    /// One look. `Some` is when to look again; on `None` the task was rung.
    fn look(&self) -> Option<Moment> {
        let found = if self.until.is_past() { Ok(Some(Found::Disorder)) } else { self.find() };
        let Ok(None) = found else {
            self.state().found = found.transpose();
            self.ring.notify_one();
            return None;
        };
        let Sight::Free { since, .. } = self.state().sight else { return Some(self.next_pause()) };
        Some(self.next_pause().min(since + PASS_OVER_AFTER))
    }

    fn find(&self) -> Result<Option<Found>, Trouble> {
        let Some(files) = self.key.files() else { return Ok(Some(Found::Disorder)) };
        if !self.key.is_in_order(&files, self.request)? {
            return Ok(Some(Found::Disorder));
        }
        let before = self.state().sight;
        let sight = seen(&files, before)?;
        self.state().sight = sight;
        Ok(match sight {
            Sight::Free { since, .. } if (since + PASS_OVER_AFTER).is_past() => Some(Found::Free { since }),
            _ => None,
        })
    }
}

/// After so many, all pauses are the longest one.
const PAUSES_MAX: usize = 64;

impl Sweeper {
    fn add(&'static self, round: Round) -> Result<(), Trouble> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if !rounds.runs {
            let builder = std::thread::Builder::new().name("talkstick-sweep".to_owned()).stack_size(STACK_BYTES);
            builder.spawn(|| self.run()).map_err(Trouble::io("start a thread to look after", "the waiters"))?;
            rounds.runs = true;
        }
        let earlier = rounds.due.peek().is_none_or(|first| round.at < first.at);
        rounds.due.push(round);
        if earlier {
            self.earlier.notify_one();
        }
        Ok(())
    }

    fn run(&self) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let pause = rounds.due.peek().map_or(Duration::MAX, |first| first.at.remaining());
            if !pause.is_zero() {
                let woken = self.earlier.wait_timeout(rounds, pause);
                rounds = woken.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let Some(watch) = rounds.due.pop().and_then(|round| round.watch.upgrade()) else { continue };
            drop(rounds);
            let next = watch.look().map(|at| Round { at, watch: Arc::downgrade(&watch) });
            // Possibly the last of its key, whose files are closed with it: not under the lock.
            drop(watch);
            rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.due.extend(next);
        }
    }
}

/// Room for the stack of a thread that reads a few files.
const STACK_BYTES: usize = 128 * 1024;

impl Ord for Round {
    /// The earliest is the greatest: the heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Round {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Round {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Round {}

impl Key {
    /// Whether the request's ticket, our wake file and our threads are where they should be.
    fn is_in_order(&self, files: &KeyFiles, request: RequestId) -> Result<bool, Trouble> {
        let header = Header::read(&files.line).map_err(files.line_trouble("read"))?;
        let (slot, epoch) = {
            let table = self.table();
            let Some(ticket) = table.tickets.get(&request) else { return Ok(true) };
            let wake_in_place = table.wake.as_ref().map_or(Ok(false), |wake| wake.is_in_place(files.waiters()?))?;
            let nobody_sleeps = table.gate_sleeper.is_none() && table.sleepers.is_empty() && !table.starting;
            if !wake_in_place || (nobody_sleeps && !ticket.granted) {
                return Ok(false);
            }
            (ticket.slot, table.epoch)
        };
        if header.is_none_or(|h| h.epoch != epoch) || !files.are_in_place()? {
            return Ok(false);
        }
        if let Some(gate) = self.table().gate_sleeper
            && !files.names_gate(gate)?
        {
            return Ok(false);
        }
        let entry = Entry::read(&files.line, slot).map_err(files.line_trouble("read"))?;
        if let Some(entry) = entry.filter(|e| e.request == request) {
            return Ok(entry.is_awake());
        }
        // It moved into the hole of one that left; seldom, for each only moves towards the front.
        let line = Line::read(&files.line).map_err(files.line_trouble("read"))?;
        let Some(slot) = line.find(request) else { return Ok(false) };
        if let Some(ticket) = self.table().tickets.get_mut(&request) {
            ticket.slot = slot;
        }
        Ok(true)
    }
}

/// Whether the gate is free, and since when. A held one is not disturbed by the question; a free one is locked for an
/// instant, and only while somebody waits for it.
fn seen(files: &KeyFiles, before: Sight) -> Result<Sight, Trouble> {
    let Some(gate) = files.existing_gate()? else { return Ok(Sight::Held { at: Moment::now() }) };
    if !flock::try_exclusive(&gate).map_err(Trouble::io("look at", files.gate_path()))? {
        return Ok(Sight::Held { at: Moment::now() });
    }
    flock::unlock(&gate).map_err(Trouble::io("unlock", files.gate_path()))?;
    let record = Record::read(&files.holder).map_err(files.holder_trouble("read"))?;
    let last_token = record.last_token;
    let at = match before {
        Sight::Free { last_token: same, .. } if same == last_token => return Ok(before),
        Sight::Free { since: at, .. } | Sight::Held { at } => at,
    };
    // A release since the last look counts from its own time; a holder that died, or a program outside talkstick that let
    // go, from now.
    let released = Moment::from_since_boot_ns(record.released_ns);
    let since = if released > at { released } else { Moment::now() };
    Ok(Sight::Free { since, last_token })
}
