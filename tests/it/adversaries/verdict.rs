//! What the windows logged, held against what the receipts claim.
//!
//! Every text begins with `[AGENT:NUMBER]`, so that it is known wherever it turns up, alone or glued to others. The windows
//! log everything that is typed into them, and each Enter.

use std::{collections::BTreeMap, ops::AddAssign};

use deliver::{Receipt, State};

/// One message and what the program said about it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The index of the agent, from 0.
    pub(crate) agent: usize,
    pub(crate) text: String,
    pub(crate) receipt: Receipt,
    pub(crate) exit: i32,
}

/// What all windows have: what was submitted, and what stands unsent, each with the index of its window.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    pub(crate) submitted: Vec<(usize, String)>,
    pub(crate) unsent: Vec<(usize, String)>,
}

/// The index of a window that is no agent's.
pub(crate) const STRANGER: usize = usize::MAX;

/// Numbers of one row of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Deliveries tried.
    pub(crate) tried: usize,
    /// Claimed as submitted.
    pub(crate) submitted: usize,
    /// Told as rejected: nothing typed.
    pub(crate) rejected: usize,
    /// Told as uncertain.
    pub(crate) uncertain: usize,
    /// Texts, or keys, in a window that they were not for.
    pub(crate) wrong_windows: usize,
    /// Enters without their text, or in a window that they were not for.
    pub(crate) wrong_enters: usize,
    /// Texts that arrived more than once.
    pub(crate) duplicates: usize,
    /// Claims that do not hold: submitted but not there exactly, or rejected but typed.
    pub(crate) false_claims: usize,
    /// Exit statuses that do not fit the state.
    pub(crate) wrong_exits: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.tried += other.tried;
        self.submitted += other.submitted;
        self.rejected += other.rejected;
        self.uncertain += other.uncertain;
        self.wrong_windows += other.wrong_windows;
        self.wrong_enters += other.wrong_enters;
        self.duplicates += other.duplicates;
        self.false_claims += other.false_claims;
        self.wrong_exits += other.wrong_exits;
    }
}

impl Tally {
    /// Whether nothing went wrong, whatever was told.
    pub(crate) const fn is_safe(&self) -> bool {
        self.wrong_windows + self.wrong_enters + self.duplicates + self.false_claims + self.wrong_exits == 0
    }

    /// Whether all that was told is true, whatever went wrong.
    pub(crate) const fn is_honest(&self) -> bool {
        self.false_claims + self.wrong_exits == 0
    }

    /// Told as not submitted.
    pub(crate) const fn told(&self) -> usize {
        self.rejected + self.uncertain
    }
}

/// The text of a message: its mark, and a body without brackets.
pub(crate) fn text_of(agent: usize, number: usize, body: &str) -> String {
    format!("[{agent}:{number}]{body}")
}

/// Compares; `sent` is all that was sent to these windows.
pub(crate) fn judge(sent: &[Sent], logged: &Logged) -> Tally {
    let mut tally = Tally { tried: sent.len(), ..Tally::default() };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (window, text) in logged.submitted.iter().chain(&logged.unsent) {
        for piece in pieces(text) {
            match sent.iter().find(|sent| sent.text == piece) {
                Some(of) => {
                    *seen.entry(&of.text).or_default() += 1;
                    tally.wrong_windows += usize::from(of.agent != *window);
                }
                // What is not ours is another's paste or a stray key. Only in a stranger's window is that wrong by itself.
                None => tally.wrong_windows += usize::from(*window == STRANGER),
            }
        }
    }
    for (window, text) in &logged.submitted {
        let last = pieces(text).last().and_then(|piece| sent.iter().find(|sent| sent.text == piece));
        let fits = last.is_some_and(|sent| sent.agent == *window && sent.receipt.state != State::Rejected);
        tally.wrong_enters += usize::from(!fits);
    }
    tally.duplicates = seen.values().filter(|times| **times > 1).count();
    for sent in sent {
        add_claim(&mut tally, sent, logged, seen.contains_key(sent.text.as_str()));
    }
    tally
}

fn add_claim(tally: &mut Tally, sent: &Sent, logged: &Logged, was_typed: bool) {
    let fits = match sent.receipt.state {
        State::Submitted | State::Confirmed => {
            tally.submitted += 1;
            let exact = logged.submitted.iter().filter(|(at, text)| *at == sent.agent && *text == sent.text).count();
            tally.false_claims += usize::from(exact != 1);
            sent.exit == 0
        }
        State::Rejected => {
            tally.rejected += 1;
            tally.false_claims += usize::from(was_typed);
            matches!(sent.exit, 3 | 4 | 6 | 7 | 9)
        }
        _ => {
            tally.uncertain += 1;
            sent.exit == 5
        }
    };
    tally.wrong_exits += usize::from(!fits);
}

/// A text cut before each mark.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = text.match_indices('[').map(|(at, _)| at).filter(|at| *at > 0).collect();
    let ends = starts.clone().into_iter().chain([text.len()]);
    std::iter::once(0).chain(starts).zip(ends).map(|(from, to)| &text[from..to]).filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use deliver::{Outcome, Reason};

    use super::*;

    fn sent(agent: usize, number: usize, state: State) -> Sent {
        let reason = Reason { code: "x".into(), message: "x".into() };
        let outcome = Outcome { state, ..Outcome::rejected(reason) };
        let receipt = Receipt::new("m".parse().expect("an id"), "Agent", outcome);
        let exit = match state {
            State::Submitted => 0,
            State::Rejected => 4,
            _ => 5,
        };
        Sent { agent, text: text_of(agent, number, ""), receipt, exit }
    }

    fn verdict(sent: &[Sent], submitted: &[(usize, &str)], unsent: &[(usize, &str)]) -> Tally {
        let own = |list: &[(usize, &str)]| list.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
        judge(sent, &Logged { submitted: own(submitted), unsent: own(unsent) })
    }

    #[test]
    fn what_arrived_as_claimed_is_safe() {
        let all = [sent(0, 1, State::Submitted), sent(1, 2, State::Rejected), sent(1, 3, State::Uncertain)];
        assert!(verdict(&all, &[(0, "[0:1]")], &[(1, "[1:3]")]).is_safe());
        assert!(verdict(&all, &[(0, "[0:1]"), (1, "[1:3]")], &[]).is_safe(), "uncertain may have been submitted");
        assert!(verdict(&all, &[(0, "[0:1]")], &[(1, "stolen")]).is_safe(), "a thief's text is no claim of ours");
    }

    #[test]
    fn each_wrong_is_counted() {
        let all = [sent(0, 1, State::Submitted), sent(1, 2, State::Rejected)];
        assert_eq!(verdict(&all, &[(1, "[0:1]")], &[]).wrong_windows, 1);
        assert_eq!(verdict(&all, &[(0, "[0:1]"), (0, "")], &[]).wrong_enters, 1);
        assert_eq!(verdict(&all, &[(0, "[0:1]"), (1, "[1:2]")], &[]).wrong_enters, 1, "of a rejected one");
        assert_eq!(verdict(&all, &[(0, "[0:1]")], &[(0, "[0:1]")]).duplicates, 1);
        assert_eq!(verdict(&all, &[], &[]).false_claims, 1, "submitted but not there");
        assert_eq!(verdict(&all, &[(0, "x[0:1]")], &[]).false_claims, 1, "submitted but not alone");
        assert_eq!(verdict(&all, &[(0, "[0:1]")], &[(1, "[1:2]")]).false_claims, 1, "rejected but typed");
        assert_eq!(verdict(&all, &[(0, "[0:1]")], &[(STRANGER, "<C-v>")]).wrong_windows, 1);
        let wrong_exit = [Sent { exit: 0, ..sent(0, 1, State::Uncertain) }];
        assert_eq!(verdict(&wrong_exit, &[], &[]).wrong_exits, 1);
    }
}
