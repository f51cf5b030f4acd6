//! What became of the messages of one run. Pure: from what was sent and what stands in the windows.

use std::{collections::HashMap, time::Duration};

use super::scenario::Planned;

/// A message as its sender knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) message: Planned,
    /// When its sender turned to it, in nanoseconds since the host started.
    pub(crate) asked_ns: u64,
    /// Its place in the order that was promised: its ticket. Without tickets nothing is promised but the order of each
    /// sender's own messages.
    pub(crate) ticket: Option<u64>,
}

/// A text that was submitted in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) window: usize,
    pub(crate) text: String,
    /// When, in nanoseconds since the host started.
    pub(crate) at_ns: u64,
}

/// What stands in the windows in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What was submitted, in the order of the Enter keys.
    pub(crate) arrived: Vec<Arrived>,
    /// What was left in the input boxes, the empty ones aside.
    pub(crate) unsent: Vec<String>,
}

/// The counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) sent: usize,
    /// Messages that were submitted in their window, exactly as sent, exactly once.
    pub(crate) arrived: usize,
    /// Messages that were submitted, exactly as sent, in another window.
    pub(crate) misrouted: usize,
    /// Submissions and unsent texts that are not exactly one message: glued, cut, empty.
    pub(crate) garbled: usize,
    /// Messages that were submitted by themselves nowhere.
    pub(crate) lost: usize,
    /// Messages that were submitted more than once, in whatever windows.
    pub(crate) duplicated: usize,
    /// Messages that were submitted after one that should have come after them.
    pub(crate) out_of_order: usize,
    /// Half of those that arrived took at most this long, from their sender's turning to them to their submission.
    pub(crate) median: Option<Duration>,
    /// 95 of 100 took at most this long.
    pub(crate) p95: Option<Duration>,
}

impl Score {
    /// Whether every message arrived in its window, exactly once, in order, and nothing else did.
    pub(crate) const fn is_perfect(&self) -> bool {
        let Self { sent, arrived, misrouted, garbled, lost, duplicated, out_of_order, .. } = *self;
        arrived == sent && misrouted + garbled + lost + duplicated + out_of_order == 0
    }

    /// Counts.
    pub(crate) fn of(sent: &[Sent], seen: &Seen) -> Self {
        let mut places: HashMap<&str, Vec<&Arrived>> =
            sent.iter().map(|sent| (sent.message.text.as_str(), Vec::new())).collect();
        let mut score = Self { sent: sent.len(), out_of_order: out_of_order(sent, seen), ..Self::default() };
        for arrived in &seen.arrived {
            match places.get_mut(arrived.text.as_str()) {
                Some(places) => places.push(arrived),
                None => score.garbled += 1,
            }
        }
        // A whole message that waits for its Enter is lost, but not garbled.
        score.garbled += seen.unsent.iter().filter(|text| !places.contains_key(text.as_str())).count();
        let mut latencies = Vec::new();
        for sent in sent {
            let places = &places[sent.message.text.as_str()];
            let (right, wrong): (Vec<&Arrived>, Vec<&Arrived>) =
                places.iter().copied().partition(|at| at.window == sent.message.window);
            score.misrouted += usize::from(!wrong.is_empty());
            score.lost += usize::from(places.is_empty());
            score.duplicated += usize::from(places.len() > 1);
            if let [arrived] = right[..] {
                score.arrived += 1;
                latencies.push(Duration::from_nanos(arrived.at_ns.saturating_sub(sent.asked_ns)));
            }
        }
        latencies.sort_unstable();
        score.median = percentile(&latencies, 50);
        score.p95 = percentile(&latencies, 95);
        score
    }
}

/// How many messages came after one that should have come after them: by ticket where all have one, else by each
/// sender's own numbers. The first submission of each message counts, in whatever window.
fn out_of_order(sent: &[Sent], seen: &Seen) -> usize {
    let ticketed = sent.iter().all(|sent| sent.ticket.is_some());
    // Who is held against whom, and the place among those.
    let place = |sent: &Sent| match ticketed {
        true => (0, sent.ticket.unwrap_or_default()),
        false => (sent.message.sender, sent.message.number as u64),
    };
    let mut expected: HashMap<&str, (usize, u64)> =
        sent.iter().map(|sent| (sent.message.text.as_str(), place(sent))).collect();
    let mut latest: HashMap<usize, u64> = HashMap::new();
    let mut late = 0;
    for arrived in &seen.arrived {
        let Some((line, place)) = expected.remove(arrived.text.as_str()) else { continue };
        let latest = latest.entry(line).or_insert(place);
        late += usize::from(place < *latest);
        *latest = place.max(*latest);
    }
    late
}

/// The smallest of the sorted values that at least `percent` of 100 do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::Scenario;

    const SCENARIO: Scenario = Scenario { senders: 3, messages: 2 };

    /// All messages of the scenario; tickets in the order of the list when asked for.
    fn sent(ticketed: bool) -> Vec<Sent> {
        let ticket = |at: usize| ticketed.then_some(100 + at as u64);
        let all = SCENARIO.all_messages().into_iter().enumerate();
        all.map(|(at, message)| Sent { message, asked_ns: 1000, ticket: ticket(at) }).collect()
    }

    fn arrive(sent: &Sent, at_ns: u64) -> Arrived {
        Arrived { window: sent.message.window, text: sent.message.text.clone(), at_ns }
    }

    fn all_arrive(sent: &[Sent]) -> Seen {
        let arrived = sent.iter().zip(1..).map(|(sent, at)| arrive(sent, 1000 + at * 1_000_000)).collect();
        Seen { arrived, unsent: Vec::new() }
    }

    #[test]
    fn all_right_is_perfect() {
        let sent = sent(true);
        let score = Score::of(&sent, &all_arrive(&sent));
        assert!(score.is_perfect(), "{score:?}");
        assert_eq!((score.arrived, score.median), (6, Some(Duration::from_millis(3))));
        assert_eq!(score.p95, Some(Duration::from_millis(6)));
    }

    #[test]
    fn nothing_seen_is_all_lost() {
        let score = Score::of(&sent(true), &Seen::default());
        assert_eq!(score, Score { sent: 6, lost: 6, ..Score::default() });
        assert!(!score.is_perfect());
    }

    #[test]
    fn a_wrong_window_is_misrouted_and_not_arrived() {
        let sent = sent(true);
        let mut seen = all_arrive(&sent);
        seen.arrived[2].window += 1;
        let score = Score::of(&sent, &seen);
        assert_eq!((score.arrived, score.misrouted, score.lost, score.garbled), (5, 1, 0, 0));
    }

    #[test]
    fn glued_cut_and_empty_lines_are_garbled_and_their_messages_lost() {
        let sent = sent(true);
        let mut seen = all_arrive(&sent);
        let glued = format!("{}{}", seen.arrived[0].text, seen.arrived[1].text);
        seen.arrived[0].text = glued;
        seen.arrived[1].text.pop();
        seen.arrived[2].text.clear();
        let score = Score::of(&sent, &seen);
        assert_eq!((score.arrived, score.garbled, score.lost, score.misrouted), (3, 3, 3, 0));
    }

    #[test]
    fn what_is_left_in_a_box_is_lost_and_garbled_unless_it_is_whole() {
        let sent = sent(true);
        let mut seen = all_arrive(&sent);
        let whole = seen.arrived.remove(5).text;
        seen.unsent = vec![whole, "half a mess".into()];
        let score = Score::of(&sent, &seen);
        assert_eq!((score.arrived, score.lost, score.garbled), (5, 1, 1));
        assert!(!Score::of(&sent, &Seen { unsent: vec!["v".into()], ..all_arrive(&sent) }).is_perfect());
    }

    #[test]
    fn twice_is_counted_once_per_message() {
        let sent = sent(true);
        let mut seen = all_arrive(&sent);
        let again = seen.arrived[0].clone();
        let elsewhere = Arrived { window: seen.arrived[1].window + 1, ..seen.arrived[1].clone() };
        seen.arrived.extend([again.clone(), again, elsewhere]);
        let score = Score::of(&sent, &seen);
        // The first is twice in its own window; the second once there and once elsewhere.
        assert_eq!((score.arrived, score.duplicated, score.misrouted), (5, 2, 1));
    }

    #[test]
    fn order_is_by_ticket_where_there_are_tickets() {
        let sent = sent(true);
        let mut seen = all_arrive(&sent);
        seen.arrived.swap(0, 5);
        // The last came first, so all five that came after it were late.
        assert_eq!(Score::of(&sent, &seen).out_of_order, 5);
        let mut seen = all_arrive(&sent);
        seen.arrived.swap(0, 1);
        assert_eq!(Score::of(&sent, &seen).out_of_order, 1);
    }

    #[test]
    fn without_tickets_only_a_senders_own_order_counts() {
        let sent = sent(false);
        let mut seen = all_arrive(&sent);
        // Senders 1 and 2 change places with each other, as nobody promised anything else.
        seen.arrived.swap(0, 2);
        seen.arrived.swap(1, 3);
        assert_eq!(Score::of(&sent, &seen).out_of_order, 0);
        seen.arrived.swap(0, 1);
        assert_eq!(Score::of(&sent, &seen).out_of_order, 1);
    }

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Some(Duration::from_millis(10)));
        assert_eq!(percentile(&values, 95), Some(Duration::from_millis(19)));
        assert_eq!(percentile(&values[..1], 50), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 95), None);
    }
}
