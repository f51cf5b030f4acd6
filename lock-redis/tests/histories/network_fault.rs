//! What is done to one network.

use std::time::Duration;

use tests::proxy::{Pass, Proxy};

#[derive(Debug, Clone, Copy)]
pub(crate) enum NetworkFault {
    Delay(Duration),
    DropRequests,
    DropReplies,
    Partition,
    Reset,
    CutReplies(usize),
}

impl NetworkFault {
    /// Whether it keeps somebody from being heard; the others only disturb.
    pub(crate) const fn silences(self) -> bool {
        matches!(self, Self::DropRequests | Self::DropReplies | Self::Partition)
    }

    pub(crate) fn begin(self, network: &Proxy) {
        match self {
            Self::Delay(late) => {
                network.requests(Pass::After(late));
                network.replies(Pass::After(late));
            }
            Self::DropRequests => network.requests(Pass::Never),
            Self::DropReplies => network.replies(Pass::Never),
            Self::Partition => network.partition(),
            Self::Reset => network.reset(),
            Self::CutReplies(bytes) => network.replies_of_open_ones(Pass::ThenReset(bytes)),
        }
    }

    pub(crate) fn end(self, network: &Proxy) {
        match self {
            Self::Delay(_) | Self::DropRequests | Self::DropReplies | Self::Partition | Self::CutReplies(_) => {
                network.heal();
            }
            Self::Reset => {}
        }
    }
}
