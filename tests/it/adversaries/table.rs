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

use super::{Bout, Driver, ROWS, verdict::Tally};

/// One adversary against one driver.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
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
    pub(crate) fn test(&self, driver: Driver) {
        let tally = self.run(driver, asked_for().unwrap_or(self.short));
        match driver {
            Driver::X11 => assert!(tally.is_safe(), "{}: {tally:?}", self.name),
            Driver::Portable => assert!(tally.is_honest(), "{}: {tally:?}", self.name),
        }
        assert!(self.expect.holds(&tally), "{}: {:?} was expected: {tally:?}", self.name, self.expect);
    }

    fn run(&self, driver: Driver, deliveries: usize) -> Tally {
        // The seed is the same each time; the machine adds enough chance of its own.
        let (began, bout) = (Instant::now(), Bout { driver, deliveries, managed: self.managed, seed: 1 });
        let tally = (self.fight)(bout);
        self.say(driver, &tally, began.elapsed());
        tally
    }

    /// On the terminal: the test runner swallows what a test that passes prints.
    fn say(&self, driver: Driver, tally: &Tally, took: Duration) {
        let Tally { tried, submitted, rejected, uncertain, .. } = tally;
        let mut out = std::io::stderr().lock();
        let _ = writeln!(
            out,
            "{}, {}: {tried} tried, {submitted} submitted, {rejected} rejected, {uncertain} uncertain in {:.1} s",
            self.name,
            driver.name(),
            took.as_secs_f64()
        );
    }

    fn markdown(&self, driver: Driver, tally: &Tally) -> String {
        let mut line = format!("| `{}` | {} | {} |", self.name, driver.name(), self.what);
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

/// The page has every row of the suite, in its order and its words, from a run of the long form that kept what it promises.
#[test]
fn the_page_has_the_rows_of_the_suite() {
    let page = include_str!("../../../docs/safety.md");
    assert!(page.contains(HEAD), "the table's head is another");
    let table = page.lines().skip_while(|line| !line.starts_with("| row |")).take_while(|line| line.starts_with('|'));
    let mut lines = table.skip(2);
    for driver in [Driver::X11, Driver::Portable] {
        for row in ROWS {
            let line = lines.next().unwrap_or_else(|| panic!("the page lacks {} by {}", row.name, driver.name()));
            let words = format!("| `{}` | {} | {} | ", row.name, driver.name(), row.what);
            let numbers = line.strip_prefix(&words).unwrap_or_else(|| panic!("not {words}: {line}"));
            let numbers: Vec<usize> = numbers.split(" |").filter_map(|number| number.trim().parse().ok()).collect();
            let [tried, windows, enters, duplicates, claims, told, submitted] = numbers[..] else {
                panic!("not seven numbers: {line}")
            };
            assert!(tried >= LONG && told + submitted == tried, "not the long form: {line}");
            assert_eq!(claims, 0, "{line}");
            assert!(driver == Driver::Portable || windows + enters + duplicates == 0, "{line}");
        }
    }
    assert_eq!(lines.next(), None, "a row too many");
}

/// Measures all rows and prints the table.
#[test]
#[ignore = "the long form: minutes"]
#[allow(clippy::print_stdout, reason = "the table is what this is for")]
fn table() {
    let deliveries = asked_for().unwrap_or(LONG);
    let both = [Driver::X11, Driver::Portable];
    let rows: Vec<(&Row, Driver)> = both.iter().flat_map(|driver| ROWS.iter().map(|row| (row, *driver))).collect();
    let tallies = Mutex::new(vec![None; rows.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((row, driver)) = rows.get(at) else { return };
                    // One row that fails does not waste the minutes of the others.
                    let tally = std::panic::catch_unwind(|| row.run(*driver, deliveries)).ok();
                    tallies.lock().unwrap_or_else(PoisonError::into_inner)[at] = tally;
                }
            });
        }
    });
    println!("{HEAD}");
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    for ((row, driver), tally) in rows.iter().zip(&tallies) {
        println!("{}", row.markdown(*driver, &tally.unwrap_or_default()));
    }
    assert!(tallies.iter().all(Option::is_some), "a row was not measured to its end");
}
