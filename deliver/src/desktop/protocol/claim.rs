//! What may be claimed of a delivery: no more than was seen.

use super::{Failure, Run};
use crate::{
    Outcome, Reason, State,
    desktop::{Refusal, Step},
};

/// How far the delivery has come. The order is the claim: see [`Run::outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    /// The desktop is as it was found.
    Nothing,
    /// Pointer, focus or clipboard may be changed.
    Touched,
    /// The paste was pressed, or may have been.
    Pasted,
    /// The target has read the text.
    Fetched,
    /// Enter was pressed.
    Submitted,
}

impl Run<'_> {
    pub(super) fn outcome(mut self, failed: Option<(Step, Failure)>) -> Outcome {
        let unsent = self.earlier.take().map(|earlier| Refusal::UnsentText { earlier });
        self.doubt = self.doubt.take().or(unsent);
        let typed = self.reached >= Reached::Pasted;
        let submitted = self.reached == Reached::Submitted && self.seen;
        let state = match self.reached {
            Reached::Nothing | Reached::Touched => State::Rejected,
            Reached::Pasted | Reached::Fetched => State::Uncertain,
            Reached::Submitted if submitted && self.doubt.is_none() => State::Submitted,
            Reached::Submitted => State::Uncertain,
        };
        let failed = failed.or_else(|| Some((Step::Submit, Failure::Refused(self.doubt.clone()?))));
        let reason = failed.map(|(step, failure)| {
            let Reason { code, message } = failure.reason();
            let advice = match self.reached {
                Reached::Nothing | Reached::Touched => "",
                Reached::Pasted | Reached::Fetched => {
                    "; the text may stand in the input box: look before sending again"
                }
                Reached::Submitted => "; look before sending again",
            };
            Reason { code, message: format!("while {step}: {message}{advice}") }
        });
        Outcome { state, typed, submitted, evidence: self.evidence, reason }
    }
}

impl Refusal {
    /// The refusal as a receipt tells it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason { code: self.code().into(), message: self.to_string() }
    }
}
