//! API tokens as they rest: a name, what they permit, and a digest of the
//! secret, never the secret itself. Who checks a token, and how it looks on the
//! wire, is the server's.

use px_core::{Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// Maximum number of tokens.
pub const MAX_TOKENS: usize = 1_000;

/// The permission of a token. Each one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// To look at everything.
    Read,
    /// To start, move and end runs, and to deal with deliveries.
    Operate,
    /// To change hooks, tokens and secrets.
    Admin,
}

impl Permission {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// The word in bodies and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The permission of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == word)
    }
}

/// A token at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is no secret.
    pub id: TokenId,
    /// Its purpose, in its maker's words.
    pub name: String,
    /// Its permission.
    pub permission: Permission,
    /// The SHA-256 of its secret. The secret has 256 random bits, so that
    /// nothing slower is needed.
    pub digest: [u8; 32],
    /// The time at which it was made.
    pub created_at: Timestamp,
}

/// A change of the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenWrite {
    /// A new one, under this version, never used before.
    Create(Token, u64),
    /// One that was read at this version is removed.
    Remove(TokenId, u64),
}
