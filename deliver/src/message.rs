//! Messages: what is delivered, checked and cleaned before anything else happens.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clean::{self, Cleaned};

/// Longest message in bytes unless configured: far above what people paste, far below what makes clipboards stall.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest message id in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 128;
/// Longest sender name in bytes; longer ones are cut at a character.
pub const FROM_BYTES_MAX: usize = 64;

/// A message: clean text that arrives exactly as it stands here, under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    id: MessageId,
    id_was_given: bool,
    text: String,
    from: String,
}

/// Names one message: the same id is never typed twice into the same agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

/// Why a text is no message, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Nothing in it.
    #[error("the message is empty; give some text")]
    Empty,
    /// Nothing left of it.
    #[error("nothing is left of the message after cleaning ({cleaned}); give some printable text")]
    EmptyAfterCleaning {
        /// What was removed.
        cleaned: Cleaned,
    },
    /// A NUL in it.
    #[error("the message holds a NUL at byte {at}; is it a binary file? Give plain text")]
    Nul {
        /// Where.
        at: usize,
    },
    /// Not UTF-8.
    #[error("the message is not UTF-8 (byte {at}); convert it first, for example with iconv")]
    NotUtf8 {
        /// Where it stops being UTF-8.
        at: usize,
    },
    /// Too long.
    #[error(
        "the message has {bytes} bytes, {max} is the limit; put it in a file and send its path, or raise the limit"
    )]
    TooLong {
        /// Its length after cleaning.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An id that cannot be one.
    #[error("`{0}` cannot be a message id: use 1 to {max} printable ASCII characters without spaces", max = MESSAGE_ID_BYTES_MAX)]
    BadId(String),
    /// No id could be made.
    #[error("no random source for a message id: {0}")]
    NoRandom(String),
}

impl Message {
    /// Cleans and checks `raw`, and makes an id. Says what was removed.
    ///
    /// # Errors
    /// [`MessageError`] says which rule the text breaks.
    pub fn new(raw: &str) -> Result<(Self, Cleaned), MessageError> {
        Self::with_limit(raw, MESSAGE_BYTES_MAX)
    }

    /// [`Message::new`] with another limit on the clean text's bytes.
    ///
    /// # Errors
    /// As [`Message::new`].
    pub fn with_limit(raw: &str, bytes_max: usize) -> Result<(Self, Cleaned), MessageError> {
        if raw.is_empty() {
            return Err(MessageError::Empty);
        }
        if let Some(at) = raw.find('\0') {
            return Err(MessageError::Nul { at });
        }
        let (text, cleaned) = clean::clean(raw);
        if text.is_empty() {
            return Err(MessageError::EmptyAfterCleaning { cleaned });
        }
        if text.len() > bytes_max {
            return Err(MessageError::TooLong { bytes: text.len(), max: bytes_max });
        }
        Ok((Self { id: MessageId::random()?, id_was_given: false, text, from: String::new() }, cleaned))
    }

    /// [`Message::with_limit`] for bytes of unknown coding.
    ///
    /// # Errors
    /// As [`Message::new`], and [`MessageError::NotUtf8`].
    pub fn from_bytes(raw: &[u8], bytes_max: usize) -> Result<(Self, Cleaned), MessageError> {
        if let Some(at) = raw.iter().position(|b| *b == 0) {
            return Err(MessageError::Nul { at });
        }
        let raw = std::str::from_utf8(raw).map_err(|e| MessageError::NotUtf8 { at: e.valid_up_to() })?;
        Self::with_limit(raw, bytes_max)
    }

    /// The message under an id of its sender's choice: sent again under it, it is not typed again.
    #[must_use]
    pub fn with_id(self, id: MessageId) -> Self {
        Self { id, id_was_given: true, ..self }
    }

    /// The message with its sender's name, for receipts and logs: nothing is added to the text. Control characters are
    /// dropped.
    #[must_use]
    pub fn with_from(self, from: &str) -> Self {
        let mut clean: String = from.chars().filter(|c| !c.is_control()).collect();
        let mut end = FROM_BYTES_MAX.min(clean.len());
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        clean.truncate(end);
        Self { from: clean, ..self }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Whether the id came from the sender: only then can an earlier delivery under it exist.
    #[must_use]
    pub const fn id_was_given(&self) -> bool {
        self.id_was_given
    }

    /// The clean text: what arrives.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sender's name; may be empty.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The SHA-256 of the text as hex: tells whether an id came with other content before.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest: [u8; 32] = Sha256::digest(self.text.as_bytes()).into();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl MessageId {
    /// A new id: 128 random bits as hex.
    ///
    /// # Errors
    /// [`MessageError::NoRandom`]: the system has no random source.
    pub fn random() -> Result<Self, MessageError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| MessageError::NoRandom(e.to_string()))?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    /// The id as it was given or made.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = MessageError;
    fn from_str(text: &str) -> Result<Self, MessageError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for MessageId {
    type Error = MessageError;
    fn try_from(text: String) -> Result<Self, MessageError> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        match (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len()) && printable {
            true => Ok(Self(text)),
            false => Err(MessageError::BadId(text.escape_default().take(MESSAGE_ID_BYTES_MAX).collect())),
        }
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_arrive_is_refused_and_says_what_to_do() {
        assert_eq!(Message::new(""), Err(MessageError::Empty));
        assert!(matches!(Message::new("\x1b[2J\r\n"), Err(MessageError::EmptyAfterCleaning { .. })));
        assert_eq!(Message::from_bytes(b"ab\0c", 10), Err(MessageError::Nul { at: 2 }));
        assert_eq!(Message::from_bytes(b"ab\xff", 10), Err(MessageError::NotUtf8 { at: 2 }));
        assert_eq!(Message::from_bytes(b"", 10), Err(MessageError::Empty));
        assert_eq!(Message::with_limit("12345\n", 4), Err(MessageError::TooLong { bytes: 5, max: 4 }));
        assert!(Message::with_limit("1234\n\n", 4).is_ok(), "the limit is on what arrives");
    }

    #[test]
    fn ids_are_made_or_given() {
        let (made, _) = Message::new("x").unwrap();
        let (other, _) = Message::new("x").unwrap();
        assert_eq!(made.id().as_str().len(), 32);
        assert_ne!(made.id(), other.id());
        assert_eq!(made.digest(), other.digest());
        assert!(!made.id_was_given());
        assert!(made.with_id("build/42:done".parse().unwrap()).id_was_given());
        for bad in ["", "a b", "\u{e9}", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sender_names_lose_control_characters_and_length() {
        let (message, _) = Message::new("x").unwrap();
        assert_eq!(message.clone().with_from("a\x1b[0mb\n").from(), "a[0mb");
        assert_eq!(message.with_from(&"\u{e9}".repeat(40)).from().len(), FROM_BYTES_MAX);
    }
}
