//! Scenarios: how many senders, how many messages each, and to which windows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Most senders: each is a process, and with more the machine is measured, not the lock.
const SENDERS_MAX: usize = 64;
/// Most messages of one sender: at the unprotected pace this is 40 seconds.
const MESSAGES_MAX: usize = 100;
/// Fewest and most windows: with too few, a message in the wrong window would often be in the right one by chance.
const WINDOWS: (usize, usize) = (4, 8);

/// Some senders, each with some messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) senders: usize,
    /// Of each sender.
    pub(crate) messages: usize,
}

/// One message of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Which sender, from 0.
    pub(crate) sender: usize,
    /// Which of its messages, from 0.
    pub(crate) number: usize,
    /// To which window, from 0.
    pub(crate) window: usize,
    /// What it says: no two messages of a scenario say the same, and none holds another.
    pub(crate) text: String,
}

impl Scenario {
    /// The scenarios of the document that started this.
    pub(crate) const SEED: [Self; 3] =
        [Self { senders: 3, messages: 2 }, Self { senders: 8, messages: 5 }, Self { senders: 16, messages: 5 }];

    /// How many agent windows there are.
    pub(crate) fn windows(self) -> usize {
        self.senders.clamp(WINDOWS.0, WINDOWS.1)
    }

    /// The messages of one sender, in its order. Neighbours begin with different windows, and each goes round them.
    pub(crate) fn messages_of(self, sender: usize) -> Vec<Planned> {
        let plan = |number: usize| {
            let window = (sender + number + 1) % self.windows();
            let text = format!("[sender {} message {}] for Agent-{}", sender + 1, number + 1, window + 1);
            Planned { sender, number, window, text }
        };
        (0..self.messages).map(plan).collect()
    }

    /// All messages.
    pub(crate) fn all_messages(self) -> Vec<Planned> {
        (0..self.senders).flat_map(|sender| self.messages_of(sender)).collect()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.senders, self.messages)
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no scenario; write SENDERSxMESSAGES up to {SENDERS_MAX}x{MESSAGES_MAX}, such as 8x5")
        };
        let (senders, messages) = text.split_once('x').ok_or_else(wrong)?;
        let number = |text: &str, max: usize| text.parse().ok().filter(|n| (1..=max).contains(n)).ok_or_else(wrong);
        Ok(Self { senders: number(senders, SENDERS_MAX)?, messages: number(messages, MESSAGES_MAX)? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn scenarios_read_as_written() {
        for scenario in Scenario::SEED {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        for bad in ["", "3", "x", "0x1", "1x0", "65x1", "1x101", "3x2x1", "-1x2", "3 x 2"] {
            assert!(bad.parse::<Scenario>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_text_holds_another_and_all_windows_are_used() {
        let scenario = Scenario { senders: 16, messages: 12 };
        let all = scenario.all_messages();
        assert_eq!(all.len(), 16 * 12);
        for (at, message) in all.iter().enumerate() {
            assert!(!all.iter().enumerate().any(|(other, m)| other != at && m.text.contains(&message.text)));
        }
        let windows: BTreeSet<_> = all.iter().map(|message| message.window).collect();
        assert_eq!(windows.len(), scenario.windows());
    }
}
