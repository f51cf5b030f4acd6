//! Lines of the journal, and what they say together.

use lock_core::FencingToken;
use serde::{Deserialize, Serialize};

use crate::{MessageId, Outcome, Reason, Receipt, State};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) at_us: u64,
    pub(super) id: MessageId,
    pub(super) agent: String,
    #[serde(flatten)]
    pub(super) mark: Mark,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "lowercase")]
pub(super) enum Mark {
    Claimed {
        digest: String,
        from: String,
        token: FencingToken,
        ticket: u64,
    },
    Pasting,
    Submitting,
    /// Given back untyped, to be tried again by the same sender.
    Postponed {
        reason: Reason,
    },
    Done {
        receipt: Box<Receipt>,
    },
}

/// What the journal says of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Of which message.
    pub id: MessageId,
    /// To which agent.
    pub agent: String,
    /// Who sent it; may be empty.
    pub from: String,
    /// The SHA-256 of its text as hex.
    pub digest: String,
    /// When its sender took it up, wall clock in microseconds since 1970.
    pub at_us: u64,
    /// The fencing number of its lease.
    pub token: FencingToken,
    /// Its ticket.
    pub ticket: u64,
    /// Its outcome; without one, `rejected` if the paste was not reached, else `uncertain`.
    pub state: State,
    /// Whether the intent to press Enter is on record.
    pub submitting: bool,
    /// Whether it was given back untyped, to be tried again.
    pub postponed: bool,
    /// The receipt, if its sender lived to write it.
    pub receipt: Option<Receipt>,
}

impl Recorded {
    /// Adds a line about the same message and agent to what is known.
    pub(super) fn take_up(last: &mut Option<Self>, record: Record) {
        match record.mark {
            Mark::Claimed { digest, from, token, ticket } => {
                *last = Some(Self {
                    id: record.id,
                    agent: record.agent,
                    from,
                    digest,
                    at_us: record.at_us,
                    token,
                    ticket,
                    state: State::Rejected,
                    submitting: false,
                    postponed: false,
                    receipt: None,
                });
            }
            mark => {
                if let Some(last) = last {
                    last.advance(mark);
                }
            }
        }
    }

    /// Adds a line to the deliveries it may belong to.
    pub(super) fn collect(deliveries: &mut Vec<Self>, record: Record) {
        let same = |known: &Self| known.id == record.id && known.agent == record.agent;
        match record.mark {
            Mark::Claimed { .. } => {
                // A postponed delivery that was taken up again is one delivery.
                let before = deliveries.iter().rposition(|known| same(known) && known.postponed);
                let mut new = before.map(|at| deliveries.remove(at));
                Self::take_up(&mut new, record);
                deliveries.extend(new);
            }
            // The holder writes one entry at a time, so it is among the last; found from the end.
            mark => {
                if let Some(known) = deliveries.iter_mut().rev().find(|known| same(known)) {
                    known.advance(mark);
                }
            }
        }
    }

    fn advance(&mut self, mark: Mark) {
        match mark {
            Mark::Claimed { .. } => {}
            Mark::Pasting => self.state = State::Uncertain,
            Mark::Submitting => self.submitting = true,
            Mark::Postponed { .. } => {
                self.state = State::Rejected;
                self.postponed = true;
            }
            Mark::Done { receipt } => {
                self.state = receipt.state;
                self.receipt = Some(*receipt);
            }
        }
    }

    /// The receipt as it was written, or what its sender's death left known.
    #[must_use]
    pub fn into_receipt(self) -> Receipt {
        if let Some(receipt) = self.receipt {
            return receipt;
        }
        let died = |message: &str| Reason { code: "sender_died".into(), message: message.to_owned() };
        let outcome = match self.state {
            State::Rejected => Outcome::rejected(died("its sender ended before the paste; nothing was typed")),
            _ if self.submitting => Outcome::uncertain(died(
                "its sender ended around Enter: the text was typed and may be submitted; look before sending again",
            )),
            _ => Outcome::uncertain(died(
                "its sender ended around the paste: the text may stand in the input box; look before sending again",
            )),
        };
        let (token, ticket) = (Some(self.token), Some(self.ticket));
        Receipt { token, ticket, ..Receipt::new(self.id, &self.agent, outcome) }
    }
}
