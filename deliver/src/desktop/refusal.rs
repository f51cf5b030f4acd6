//! Why a desktop did not do what it was asked.

use std::{fmt, time::Duration};

use super::Unsent;

/// Why a step was not done, as observed. `Display` is one line for the sender: what was seen, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No display, or it does not answer, or it lacks what verified delivery needs.
    #[error("the display {display} cannot be used: {why}")]
    NoDisplay {
        /// Which.
        display: String,
        /// What it lacks or said.
        why: String,
    },
    /// A Wayland session, where no program is told where input goes.
    #[error(
        "this is a Wayland session ({seen}): nothing there says where keys go; use a tmux, inbox or exec surface, or an X11 \
         session (`desktop.allow_wayland = true` delivers to X11 programs all the same, `uncertain` at best)"
    )]
    Wayland {
        /// What says so.
        seen: String,
    },
    /// A sender that shares no lock with us is at work on the display: of another root, user or host.
    #[error(
        "another sender is at work on the display: {by}; senders with a common store and `desktop.key` stand in line"
    )]
    DisplayTaken {
        /// Which, as its window on the display says.
        by: String,
    },
    /// The point lies on no screen.
    #[error("the point ({x}, {y}) lies outside all screens ({screens}); correct it with `talkstick agents add`")]
    OutsideScreens {
        /// Of the point.
        x: i32,
        /// Of the point.
        y: i32,
        /// The screens, as `WxH+X+Y`.
        screens: String,
    },
    /// No window fits, or the bound one has gone.
    #[error("the target is gone: {0}")]
    TargetGone(String),
    /// The system lets no input of ours through to it.
    #[error(
        "the target has higher rights than this program, so the system drops its keys: {0}; run both with the same"
    )]
    HigherRights(String),
    /// More than one window fits.
    #[error("{0} windows fit the target; name it more closely (title, class, pid)")]
    Ambiguous(usize),
    /// Something else lies over the point.
    #[error("{by} covers the target; move it away, or give the agent another point")]
    Covered {
        /// What was found instead.
        by: String,
    },
    /// The focus did not come, or has gone elsewhere.
    #[error("the keyboard focus is on {on}, not on the target")]
    FocusElsewhere {
        /// Where it was seen.
        on: String,
    },
    /// The focus of the target's own program is not on the input box at the point.
    #[error(
        "the target's program says that the input box at the agent's point has not the focus; correct the point, or close what \
         takes the focus there"
    )]
    AnotherBox,
    /// The clipboard could not be owned, or somebody took it.
    #[error("the clipboard was taken by {by}")]
    ClipboardTaken {
        /// By whom, as far as the server tells.
        by: String,
    },
    /// The target did not fetch the text in time.
    #[error(
        "the target fetched the text {by_target} times in time, {expected} were expected ({by_others} fetches by others)"
    )]
    NotFetched {
        /// Fetches of the target's client.
        by_target: u32,
        /// What the profile expects.
        expected: u32,
        /// Fetches of other clients.
        by_others: u32,
    },
    /// Keys were pressed, and what was seen does not prove that they went to the target.
    #[error("keys were pressed, but were not seen to reach the target: {why}")]
    PressNotSeen {
        /// What was seen instead.
        why: String,
    },
    /// Enter was pressed without proof that the target had read the text: the driver cannot see that.
    #[error(
        "Enter was pressed, but whether the target had read the text was not observed ({by_others} reads by others)"
    )]
    FetchNotObserved {
        /// Reads that were seen and could not be called the target's.
        by_others: u32,
    },
    /// Enter was pressed, and the target has not been seen to end its paste.
    #[error(
        "Enter was pressed, but the target was not seen to end its paste: it made {requests} requests, {expected} are one \
         paste's by its profile; if its version or page makes another number each time, set `requests` in the profile to it"
    )]
    PasteUnfinished {
        /// Of the target, for whatever format.
        requests: u32,
        /// What the profile expects.
        expected: u32,
    },
    /// Enter was pressed on a system that may lead input elsewhere, unseen.
    #[error("Enter was pressed, but whether it reached the target cannot be observed: {why}")]
    Unobservable {
        /// What cannot be seen.
        why: &'static str,
    },
    /// Another client grabs keyboard, pointer or server.
    #[error("another program grabs the {device} (an open menu, a screen lock, a hotkey); close it and send again")]
    Grabbed {
        /// Keyboard, pointer or server.
        device: &'static str,
    },
    /// A person has used an input device, or another program has made synthetic input.
    #[error("somebody used {device} {:.1} s ago", ago.as_secs_f64())]
    Person {
        /// What was used.
        device: String,
        /// How long before it was noticed.
        ago: Duration,
        /// Whether it may have put something into an input box, as far as the system tells.
        may_type: bool,
    },
    /// Enter was pressed on a box that somebody may have typed into after our click, before our text.
    #[error("Enter was pressed, but somebody used {device} after our click: what they typed may stand before the text")]
    TypedBefore {
        /// What was used.
        device: String,
    },
    /// Enter was pressed on a box in which an earlier sender may have left its text.
    #[error(
        "Enter was pressed, but an earlier sender may have left the text of {earlier} unsent in this input box: the two may \
         have been submitted as one"
    )]
    UnsentText {
        /// Whose text.
        earlier: Unsent,
    },
    /// Keys, buttons or the pointer are not as an idle desktop has them.
    #[error("somebody else is using {device}")]
    Interference {
        /// What was touched.
        device: String,
    },
    /// A key of the chord is not on this keyboard.
    #[error("the keyboard has no key for `{0}`; set another chord in the agent's profile")]
    NoSuchKey(String),
    /// The lock was lost before the step; nothing more was pressed.
    #[error("{0}")]
    LeaseLost(String),
    /// The sender was asked to stop before the step.
    #[error("stopped by {0} before anything was typed")]
    Stopped(&'static str),
    /// The sender's timeout ended before the paste.
    #[error("the timeout ended before anything was typed; raise it")]
    OutOfTime,
    /// The connection broke in the middle.
    #[error("the connection to the display broke while {during}: {why}")]
    Disconnected {
        /// Which step.
        during: &'static str,
        /// What the connection said.
        why: String,
    },
}

impl Refusal {
    /// The stable word for `--json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoDisplay { .. } => "no_display",
            Self::Wayland { .. } => "wayland",
            Self::DisplayTaken { .. } => "display_taken",
            Self::OutsideScreens { .. } => "outside_screens",
            Self::TargetGone(_) => "target_gone",
            Self::HigherRights(_) => "higher_rights",
            Self::Ambiguous(_) => "ambiguous_target",
            Self::Covered { .. } => "covered",
            Self::FocusElsewhere { .. } => "focus_elsewhere",
            Self::AnotherBox => "another_box",
            Self::ClipboardTaken { .. } => "clipboard_taken",
            Self::NotFetched { .. } => "not_fetched",
            Self::PressNotSeen { .. } => "press_not_seen",
            Self::FetchNotObserved { .. } => "fetch_not_observed",
            Self::PasteUnfinished { .. } => "paste_unfinished",
            Self::Unobservable { .. } => "unobservable",
            Self::Grabbed { .. } => "grabbed",
            Self::Person { .. } | Self::Interference { .. } => "interference",
            Self::TypedBefore { .. } => "typed_before",
            Self::UnsentText { .. } => "unsent_text",
            Self::NoSuchKey(_) => "no_such_key",
            Self::LeaseLost(_) => "lease_lost",
            Self::Stopped(_) => "stopped",
            Self::OutOfTime => "out_of_time",
            Self::Disconnected { .. } => "disconnected",
        }
    }
}

impl Refusal {
    /// What a delivery that typed nothing may wait for because it passes by itself, and what is then in the way of whom;
    /// `None` for what stays.
    #[must_use]
    pub const fn hindrance(&self) -> Option<Hindrance> {
        match self {
            Self::Person { .. } | Self::Interference { .. } | Self::DisplayTaken { .. } => Some(Hindrance::Desktop),
            // A hotkey and a held server are no menu that somebody closes.
            Self::Grabbed { device } => match device.as_bytes() {
                b"keyboard" | b"pointer" => Some(Hindrance::Desktop),
                _ => None,
            },
            Self::Covered { .. } | Self::FocusElsewhere { .. } => Some(Hindrance::Target),
            _ => None,
        }
    }

    /// What a look at the desktop found in the way, if that passes by itself; what stays is an error.
    pub(crate) fn still_hindering(looked: Result<(), Self>) -> Result<Option<Self>, Self> {
        match looked {
            Ok(()) => Ok(None),
            Err(refusal) if refusal.hindrance().is_some() => Ok(Some(refusal)),
            Err(other) => Err(other),
        }
    }
}

/// Whom something is in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hindrance {
    /// Of everybody on the desktop: a person, a menu, a screen lock, another sender.
    Desktop,
    /// Of deliveries to this target only: another window over it, a dialog that has the focus.
    Target,
}

/// A step, for the journal and for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the protocol step of that name")]
pub enum Step {
    Watch,
    Bind,
    Click,
    Focus,
    Offer,
    Paste,
    Fetch,
    Submit,
    Restore,
    Release,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "looking for somebody at work",
            Self::Bind => "finding the target",
            Self::Click => "clicking",
            Self::Focus => "waiting for the focus",
            Self::Offer => "taking the clipboard",
            Self::Paste => "pasting",
            Self::Fetch => "waiting for the target to fetch",
            Self::Submit => "pressing Enter",
            Self::Restore => "giving the clipboard back",
            Self::Release => "passing the lock on",
        })
    }
}
