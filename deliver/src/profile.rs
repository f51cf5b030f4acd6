//! Profiles: what was measured of a kind of target, so that the protocol knows what to press and to wait for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::desktop::{Chord, FetchRule, Selection};

/// What to press and what to wait for in one kind of target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name it is chosen by.
    pub name: String,
    /// The chord that pastes.
    pub paste: Chord,
    /// The chord that submits.
    pub submit: Chord,
    /// Which selection the paste chord reads.
    pub selection: Selection,
    /// Pause between the confirmed fetch and Enter: the one fixed pause, as long as was measured for the target.
    pub settle: Duration,
    /// Whether pasted newlines stay in the input box; `false`: the target would submit at each, so they are refused.
    pub multiline: bool,
    /// How often the target fetches the text before it has read it.
    pub fetches: u32,
    /// How many requests for whatever format one paste makes, as counted; 0: not known. After another number the quiet before
    /// Enter is ten times as long, and an Enter that is not followed by the rest is claimed as `uncertain`: the receipt says
    /// how many there were.
    pub requests: u32,
    /// No further request for this long before Enter, and half as long after it before the lock is passed on: Enter wakes
    /// a target that slept on an answer, and who then has more to ask does so at once.
    pub quiet: Duration,
    /// End the quiet as soon as the target is seen to be done: it asked for nothing but the text, and has read it. For
    /// targets that ask no more after that.
    pub until_read: bool,
    /// Wake the target by a one-pixel move this often while waiting; `None`: never.
    pub nudge: Option<Duration>,
    /// How long to wait for the focus after the click.
    pub focus_timeout: Duration,
    /// How long to wait for the fetch after the paste.
    pub fetch_timeout: Duration,
}

/// Focus comes within 5 ms on every target measured; a busy machine gets four hundred times that.
const FOCUS_TIMEOUT: Duration = Duration::from_secs(2);
/// Stalls of up to 2 s were seen in browsers; after this long the paste counts as lost.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Names of the built-in profiles, the default first.
pub const PROFILE_NAMES: [&str; 4] = ["chat", "chromium", "xterm", "terminal"];

impl Profile {
    /// The built-in profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let chat = Self {
            name: name.to_owned(),
            paste: chord(true, false, "v"),
            submit: chord(false, false, "return"),
            selection: Selection::Clipboard,
            settle: Duration::ZERO,
            multiline: true,
            fetches: 1,
            requests: 0,
            quiet: Duration::from_millis(2),
            until_read: true,
            nudge: None,
            focus_timeout: FOCUS_TIMEOUT,
            fetch_timeout: FETCH_TIMEOUT,
        };
        Some(match name {
            "chat" => chat,
            // The first of two reads is not the one that is inserted, and the insertion asks for the list of formats four
            // times more: 15 lists and 2 texts in each of thousands of pastes into plain text boxes. When the clipboard changes
            // hands before the page has taken the text in, Chromium inserts nothing. Now and then it sleeps on a served request
            // until the next event, which the nudge is.
            "chromium" => {
                let (quiet, nudge) = (Duration::from_millis(20), Some(Duration::from_millis(10)));
                Self { fetches: 2, requests: 17, quiet, until_read: false, nudge, ..chat }
            }
            "xterm" => {
                Self { paste: chord(false, true, "insert"), selection: Selection::Primary, multiline: false, ..chat }
            }
            "terminal" => Self { paste: chord(true, true, "v"), multiline: false, ..chat },
            _ => return None,
        })
    }

    /// What the driver has to wait for after the paste.
    #[must_use]
    pub const fn fetch_rule(&self) -> FetchRule {
        FetchRule {
            fetches: self.fetches,
            requests: self.requests,
            until_finished: false,
            quiet: self.quiet,
            until_read: self.until_read,
            nudge: self.nudge,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::named(PROFILE_NAMES[0]).unwrap_or_else(|| unreachable!("the default profile is built in"))
    }
}

fn chord(ctrl: bool, shift: bool, key: &str) -> Chord {
    Chord { ctrl, shift, alt: false, key: key.to_owned() }
}

/// A profile of the user's own, as the configuration writes it: a built-in one with changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileOverrides {
    /// The built-in profile to start from; `chat` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// [`Profile::paste`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paste: Option<Chord>,
    /// [`Profile::submit`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit: Option<Chord>,
    /// [`Profile::selection`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// [`Profile::settle`] in milliseconds.
    #[serde(rename = "settle_ms", with = "crate::milliseconds::optional", skip_serializing_if = "Option::is_none")]
    pub settle: Option<Duration>,
    /// [`Profile::multiline`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiline: Option<bool>,
    /// [`Profile::fetches`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetches: Option<u32>,
    /// [`Profile::requests`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// [`Profile::quiet`] in milliseconds.
    #[serde(rename = "quiet_ms", with = "crate::milliseconds::optional", skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Duration>,
    /// [`Profile::until_read`]; `false` where a quiet is given and this is not: who sets a quiet knows of late requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_read: Option<bool>,
    /// [`Profile::nudge`] in milliseconds; 0: never.
    #[serde(rename = "nudge_ms", with = "crate::milliseconds::optional", skip_serializing_if = "Option::is_none")]
    pub nudge: Option<Duration>,
    /// [`Profile::focus_timeout`] in milliseconds.
    #[serde(rename = "focus_timeout_ms", with = "crate::milliseconds::optional")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus_timeout: Option<Duration>,
    /// [`Profile::fetch_timeout`] in milliseconds.
    #[serde(rename = "fetch_timeout_ms", with = "crate::milliseconds::optional")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_timeout: Option<Duration>,
}

/// A profile that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Its base is not built in.
    #[error("there is no profile `{0}`; built in are chat, chromium, xterm and terminal")]
    Unknown(String),
    /// It would press Enter without a fetch.
    #[error("profile `{0}`: fetches must be at least 1, or Enter would come without proof that the text arrived")]
    NoFetch(String),
}

impl ProfileOverrides {
    /// The profile `name` that these settings make.
    ///
    /// # Errors
    /// [`ProfileError`] names the setting.
    pub fn apply(&self, name: &str) -> Result<Profile, ProfileError> {
        let base_name = self.base.as_deref().unwrap_or(PROFILE_NAMES[0]);
        let base = Profile::named(base_name).ok_or_else(|| ProfileError::Unknown(base_name.to_owned()))?;
        if self.fetches == Some(0) {
            return Err(ProfileError::NoFetch(name.to_owned()));
        }
        Ok(Profile {
            name: name.to_owned(),
            paste: self.paste.clone().unwrap_or(base.paste),
            submit: self.submit.clone().unwrap_or(base.submit),
            selection: self.selection.unwrap_or(base.selection),
            settle: self.settle.unwrap_or(base.settle),
            multiline: self.multiline.unwrap_or(base.multiline),
            fetches: self.fetches.unwrap_or(base.fetches),
            requests: self.requests.unwrap_or(base.requests),
            quiet: self.quiet.unwrap_or(base.quiet),
            until_read: self.until_read.unwrap_or(base.until_read && self.quiet.is_none()),
            nudge: self.nudge.or(base.nudge).filter(|every| !every.is_zero()),
            focus_timeout: self.focus_timeout.unwrap_or(base.focus_timeout),
            fetch_timeout: self.fetch_timeout.unwrap_or(base.fetch_timeout),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_profiles_start_from_a_built_in_one() {
        let own: ProfileOverrides =
            serde_json::from_str(r#"{"base":"chromium","settle_ms":150,"submit":"ctrl+enter","nudge_ms":0}"#).unwrap();
        let profile = own.apply("mine").unwrap();
        assert_eq!((profile.fetches, profile.settle, profile.nudge), (2, Duration::from_millis(150), None));
        assert_eq!(profile.submit.to_string(), "ctrl+return");
        assert_eq!(profile.name, "mine");
        assert!(serde_json::from_str::<ProfileOverrides>(r#"{"setle_ms":1}"#).is_err());
        assert!(serde_json::from_str::<ProfileOverrides>(r#"{"settle_ms":-1}"#).is_err());
        assert!(ProfileOverrides { fetches: Some(0), ..Default::default() }.apply("x").is_err());
        assert!(ProfileOverrides { base: Some("kde".into()), ..Default::default() }.apply("x").is_err());
    }

    #[test]
    fn a_quiet_of_the_user_s_own_is_kept_in_full() {
        let until_read =
            |own: &str| serde_json::from_str::<ProfileOverrides>(own).unwrap().apply("mine").unwrap().until_read;
        assert!(until_read("{}"));
        assert!(!until_read(r#"{"quiet_ms":50}"#));
        assert!(until_read(r#"{"quiet_ms":50,"until_read":true}"#));
        assert!(!until_read(r#"{"base":"chromium"}"#));
    }

    #[test]
    fn each_built_in_profile_is_there() {
        for name in PROFILE_NAMES {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.fetches > 0);
        }
        assert!(Profile::named("nope").is_none());
    }
}
