//! The table in `docs/safety.md`: its rows, and how each is measured.

use std::{
    fmt::Write as _,
    io::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Bout, ROWS, verdict::Tally};

/// One adversary against one driver.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) what: &'static str,
    /// Deliveries in the ordinary run.
    pub(crate) short: usize,
    pub(crate) managed: bool,
    pub(crate) expect: Expect,
    pub(crate) fight: fn(Bout) -> Tally,
}

/// What the receipts say in the end, beside being true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// All were submitted: the adversary only looks, or is only slow.
    Unharmed,
    /// Some were not: the adversary was met.
    Told,
    /// None was submitted.
    Refused,
    Anything,
}

impl Expect {
    const fn holds(self, tally: &Tally) -> bool {
        match self {
            Self::Unharmed => tally.told() == 0,
            Self::Told => tally.told() > 0,
            Self::Refused => tally.submitted == 0,
            Self::Anything => true,
        }
    }
}

/// How many deliveries a row of the long form has, unless the environment says otherwise.
const LONG: usize = 200;
/// Rows that are measured beside each other: most of the time each waits for something.
const AT_ONCE: usize = 2;

/// Deliveries, by the environment.
fn asked_for() -> Option<usize> {
    let asked = std::env::var("TALKSTICK_DELIVERIES").ok()?;
    Some(asked.parse().unwrap_or_else(|error| panic!("TALKSTICK_DELIVERIES={asked} is no number: {error}")))
}

/// The row of a name.
pub(crate) fn row(rows: &'static [Row], name: &str) -> &'static Row {
    rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row is called {name}"))
}

impl Row {
    /// The test of this row.
    pub(crate) fn test(&self) {
        let tally = self.run(asked_for().unwrap_or(self.short));
        assert!(tally.is_safe(), "{}: {tally:?}", self.name);
        assert!(self.expect.holds(&tally), "{}: {:?} was expected: {tally:?}", self.name, self.expect);
    }

    fn run(&self, deliveries: usize) -> Tally {
        // The seed is the same each time; the machine adds enough chance of its own.
        let (began, bout) = (Instant::now(), Bout { deliveries, managed: self.managed, seed: 1 });
        let tally = (self.fight)(bout);
        self.say(&tally, began.elapsed());
        tally
    }

    /// On the terminal: the test runner swallows what a test that passes prints.
    fn say(&self, tally: &Tally, took: Duration) {
        let Tally { tried, submitted, rejected, uncertain, .. } = tally;
        let mut out = std::io::stderr().lock();
        let _ = writeln!(
            out,
            "{}: {tried} tried, {submitted} submitted, {rejected} rejected, {uncertain} uncertain in {:.1} s",
            self.name,
            took.as_secs_f64()
        );
    }

    fn markdown(&self, tally: &Tally) -> String {
        let mut line = format!("| `{}` | {} | {} |", self.name, self.driver, self.what);
        let numbers = [
            tally.tried,
            tally.wrong_windows,
            tally.wrong_enters,
            tally.duplicates,
            tally.false_claims,
            tally.told(),
            tally.submitted,
        ];
        for number in numbers {
            let _ = write!(line, " {number} |");
        }
        line
    }
}

const HEAD: &str = "\
| row | driver | adversary | tried | wrong windows | wrong Enters | duplicates | false claims | told losses | submitted |
|---|---|---|---|---|---|---|---|---|---|";

/// Measures all rows and prints the table.
#[test]
#[ignore = "the long form: minutes"]
#[allow(clippy::print_stdout, reason = "the table is what this is for")]
fn table() {
    let deliveries = asked_for().unwrap_or(LONG);
    let tallies: Mutex<Vec<Option<Tally>>> = Mutex::new(vec![None; ROWS.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = row.run(deliveries);
                    let at = ROWS.iter().position(|other| other.name == row.name).unwrap_or_default();
                    tallies.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(tally);
                }
            });
        }
    });
    println!("{HEAD}");
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (row, tally) in ROWS.iter().zip(tallies) {
        println!("{}", row.markdown(&tally.unwrap_or_default()));
    }
}
