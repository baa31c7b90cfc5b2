//! API tokens.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{Timestamp, TokenId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Secret;
use crate::open::{plain_words, words};

words! {
    /// Permission of an API token. A scope includes those before it.
    pub enum Scope {
        /// Looks.
        Read = "read",
        /// Also moves runs and deliveries.
        Operate = "operate",
        /// Also changes hooks, tokens and secrets.
        Admin = "admin",
    }
}
plain_words!(Scope);

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    /// `read`, `operate` or `admin`.
    pub scope: Scope,
    pub created_at: Timestamp,
}

/// An API token that was just made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct CreatedToken {
    pub id: TokenId,
    pub name: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    /// The token itself: it is shown this once.
    pub token: Secret,
}

/// Every API token, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tokens {
    pub count: u64,
    pub tokens: Vec<Token>,
}

impl From<Vec<Token>> for Tokens {
    fn from(tokens: Vec<Token>) -> Self {
        Self { count: tokens.len() as u64, tokens }
    }
}

/// Token to create. Unknown fields are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "Token to create.")]
pub struct CreateToken {
    /// Name for people, for example the service that uses the token.
    #[schemars(with = "String", regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,100}$"))]
    pub name: Option<String>,
    /// `read`, `operate` or `admin`; `read` if it is not said.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(read|operate|admin)$"))]
    pub scope: Option<String>,
}

impl CreateToken {
    /// A token of this name and scope.
    #[must_use]
    pub fn new(name: impl Into<String>, scope: &Scope) -> Self {
        Self { name: Some(name.into()), scope: Some(scope.as_str().to_owned()) }
    }
}

/// A text that is there, and not null.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}
