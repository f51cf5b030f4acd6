//! The secret of a lease: who knows it may work under the lease.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A 128-bit secret. It is never printed, and leaves the process only in a child's `TALKSTICK_HELD`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 16]);

/// The SHA-256 of a [`Secret`], which alone is kept in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl Secret {
    /// A new secret from the system's random source.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// What the store keeps.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }

    /// The secret as text, for `TALKSTICK_HELD` alone.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// Reads [`Secret::reveal`]'s text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        well_formed.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|n| Self(n.to_be_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
