//! Receipts: what is known about one delivery, and nothing more.

use std::{borrow::Cow, fmt, time::Duration};

use lock_core::FencingToken;
use serde::{Deserialize, Serialize};

use crate::{MessageId, desktop::Step};

/// How far a message has come, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It stands in line.
    Queued,
    /// A sender has taken it up, under the lock.
    Claimed,
    /// The paste was pressed.
    Typed,
    /// The target itself has fetched the text.
    Fetched,
    /// Enter was pressed for the verified target's window, after the fetch, and nothing else is known to have been in the
    /// box. Terminal unless a confirmation comes.
    Submitted,
    /// The agent itself has shown that it got it. Terminal.
    Confirmed,
    /// Nothing was typed: safe to send again. Terminal.
    Rejected,
    /// Something may have been typed: look before sending again. Terminal.
    Uncertain,
    /// Given up, and kept. Terminal.
    Dead,
}

impl State {
    /// Whether no sender works on the message any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Submitted | Self::Confirmed | Self::Rejected | Self::Uncertain | Self::Dead)
    }

    /// The word used in commands, output and the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Typed => "typed",
            Self::Fetched => "fetched",
            Self::Submitted => "submitted",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is known about one delivery. Its JSON form is what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of which message.
    pub id: MessageId,
    /// To which agent.
    pub agent: String,
    /// How far it came.
    pub state: State,
    /// Whether text was typed, or may have been.
    pub typed: bool,
    /// Whether Enter was pressed for the verified target's window, after that was seen to fetch the text. What else was in
    /// the box then is told by `state` and `reason`.
    pub submitted: bool,
    /// Whether sending it again cannot type it twice.
    pub retry_safe: bool,
    /// The fencing number of the lease it was done under; absent when there was none.
    pub token: Option<FencingToken>,
    /// The ticket that was granted: the order of asking.
    pub ticket: Option<u64>,
    /// Time in line, in milliseconds in JSON.
    #[serde(rename = "waited_ms", with = "crate::milliseconds")]
    pub waited: Duration,
    /// Time under the lock, in milliseconds in JSON.
    #[serde(rename = "took_ms", with = "crate::milliseconds")]
    pub took: Duration,
    /// What was seen, in order.
    pub evidence: Vec<Evidence>,
    /// Why it came no further; absent when it came as far as it could.
    pub reason: Option<Reason>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// At which step.
    pub step: Step,
    /// What, in words.
    pub seen: String,
}

/// Why a delivery came no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word to branch on.
    pub code: Cow<'static, str>,
    /// What happened, and what to do.
    pub message: String,
}

/// What a surface knows at the end of one delivery: the part of the [`Receipt`] that it alone can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How far it came: `submitted`, `confirmed`, `rejected` or `uncertain`.
    pub state: State,
    /// Whether text was typed, or may have been.
    pub typed: bool,
    /// As [`Receipt::submitted`].
    pub submitted: bool,
    /// What was seen, in order.
    pub evidence: Vec<Evidence>,
    /// Why it came no further.
    pub reason: Option<Reason>,
}

impl Outcome {
    /// Nothing was typed, because of `reason`.
    #[must_use]
    pub fn rejected(reason: Reason) -> Self {
        Self { state: State::Rejected, typed: false, submitted: false, evidence: Vec::new(), reason: Some(reason) }
    }

    /// Something may have been typed.
    #[must_use]
    pub fn uncertain(reason: Reason) -> Self {
        Self { state: State::Uncertain, typed: true, submitted: false, evidence: Vec::new(), reason: Some(reason) }
    }
}

impl Receipt {
    /// The receipt of `outcome` for a message that never came under the lock, or whose lock is not yet filled in.
    #[must_use]
    pub fn new(id: MessageId, agent: &str, outcome: Outcome) -> Self {
        Self {
            id,
            agent: agent.to_owned(),
            state: outcome.state,
            typed: outcome.typed,
            submitted: outcome.submitted,
            retry_safe: outcome.state == State::Rejected,
            token: None,
            ticket: None,
            waited: Duration::ZERO,
            took: Duration::ZERO,
            evidence: outcome.evidence,
            reason: outcome.reason,
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.agent, self.state)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {}", reason.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_stable_and_reads_back() {
        let reason = Reason { code: "covered".into(), message: "x covers the target".into() };
        let mut receipt = Receipt::new("m1".parse().unwrap(), "Agent-1", Outcome::rejected(reason));
        receipt.waited = Duration::from_micros(1500);
        receipt.token = Some(FencingToken(7));
        let json = serde_json::to_value(&receipt).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "id": "m1", "agent": "Agent-1", "state": "rejected", "typed": false, "submitted": false,
                "retry_safe": true, "token": 7, "ticket": null, "waited_ms": 1.5, "took_ms": 0.0, "evidence": [],
                "reason": {"code": "covered", "message": "x covers the target"},
            })
        );
        assert_eq!(serde_json::from_value::<Receipt>(json).unwrap(), receipt);
    }
}
