//! Who may use the API. Without a token, only this machine; with one, whoever
//! has one that permits it. Webhooks are not asked here: their own
//! verification is. Who this machine is, `px_inbound::verify::local` decides.
//!
//! The tokens lie in the store; this process holds them in memory too, since
//! it is the only one that writes there.

mod secret;

use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;
use px_core::{Clock, Ids, Scope, TokenId};
use px_store::tokens::{MAX_TOKENS, Permission, Token, TokenWrite};
use px_store::{Admission, Batch, Outcome, Store, Versioned};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use secret::{Presented, digest};

/// The longest name of a token, characters.
const MAX_NAME: usize = 100;

/// The tokens of one store.
pub struct Tokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    known: RwLock<Vec<Versioned<Token>>>,
    /// Changes, one at a time.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("count", &self.list().len()).finish_non_exhaustive()
    }
}

/// Why a token is not made or revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is none of this id.
    #[error("Token '{0}' not found")]
    NotFound(TokenId),
    /// The name cannot be.
    #[error("A token's name has 1 to {MAX_NAME} characters, none of them a control character")]
    Name,
    /// Nobody could make another one.
    #[error("The first token must have the scope admin, since only such a one can make others")]
    FirstIsNotAdmin,
    /// Another request has made the first token meanwhile.
    #[error("Another request has made the first API token meanwhile; this needs that one now")]
    NotFirst,
    /// The token by which the request came in was revoked meanwhile.
    #[error("The API token of this request was revoked meanwhile")]
    Revoked,
    /// There are too many.
    #[error("There are {MAX_TOKENS} tokens, and no more are possible; revoke those that nobody uses")]
    TooMany,
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

/// What the token of a request permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There are no tokens.
    NoTokens,
    /// The request has none, or none that counts.
    Unknown,
    /// It has one.
    Known(TokenId, Permission),
}

/// By what right a token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Whoever has the store itself in hand.
    Owner,
    /// There was no token yet.
    First,
    /// The request has this one.
    Token(TokenId),
}

impl Tokens {
    /// The tokens of this store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<Self, px_store::Error> {
        let known = RwLock::new(store.tokens(Scope::default(), MAX_TOKENS).await?);
        Ok(Self { store, clock, ids, known, changing: Mutex::default() })
    }

    /// Every token, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Token> {
        self.known().iter().map(|token| token.record.clone()).collect()
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Vec<Versioned<Token>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token for the owner of the store. The secret is returned, and
    /// kept nowhere.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn create(
        &self,
        name: &str,
        permission: Permission,
    ) -> Result<(Token, SecretString), TokenError> {
        self.create_by(Right::Owner, name, permission).await
    }

    /// As [`Tokens::create`], for a request. Its right is asked again when
    /// nobody else changes the tokens: of many first ones at once there is one
    /// that is the first.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub(crate) async fn create_by(
        &self,
        right: Right,
        name: &str,
        permission: Permission,
    ) -> Result<(Token, SecretString), TokenError> {
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        let _alone = self.changing.lock().await;
        let count = self.known().len();
        let is_there = |id| self.known().iter().any(|token| token.record.id == id);
        match right {
            Right::First if count > 0 => return Err(TokenError::NotFirst),
            Right::Token(id) if !is_there(id) => return Err(TokenError::Revoked),
            Right::Owner | Right::First | Right::Token(_) => {}
        }
        if count == 0 && permission != Permission::Admin {
            return Err(TokenError::FirstIsNotAdmin);
        }
        if count >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let now = self.clock.now();
        let id = self.ids.token(now);
        let (text, digest) = secret::make(id);
        let token = Token { id, name: name.to_owned(), permission, digest, created_at: now };
        let version = self.ids.version(now);
        self.commit(TokenWrite::Create(token.clone(), version)).await?;
        let entry = Versioned { version, record: token.clone() };
        self.known.write().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ok((token, text))
    }

    /// Removes a token: what it opened is closed from now on.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn revoke(&self, id: TokenId) -> Result<Token, TokenError> {
        let _alone = self.changing.lock().await;
        let token = self.known().iter().find(|token| token.record.id == id).cloned();
        let token = token.ok_or(TokenError::NotFound(id))?;
        self.commit(TokenWrite::Remove(id, token.version)).await?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).retain(|one| one.record.id != id);
        Ok(token.record)
    }

    async fn commit(&self, write: TokenWrite) -> Result<(), px_store::Error> {
        let batch = Batch { scope: Scope::default(), tokens: vec![write], ..Batch::default() };
        match self.store.commit(batch, Admission::Wait).await? {
            Outcome::Committed { .. } => Ok(()),
            // Nobody else writes there.
            Outcome::Conflict(_) => Err(px_store::Error::Busy),
        }
    }

    /// What the token of a request permits. Its secret is compared in a time
    /// that does not depend on where it differs, and also if its id is unknown.
    pub(crate) fn verdict(&self, headers: &HeaderMap) -> Verdict {
        let known = self.known();
        if known.is_empty() {
            return Verdict::NoTokens;
        }
        let Some(presented) = Presented::of(headers) else { return Verdict::Unknown };
        let found = known.iter().find(|token| token.record.id == presented.id);
        let digest = digest(presented.secret);
        let wanted = found.map_or([0; 32], |token| token.record.digest);
        match found {
            Some(token) if bool::from(digest.ct_eq(&wanted)) => {
                Verdict::Known(token.record.id, token.record.permission)
            }
            _ => Verdict::Unknown,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use px_core::SystemClock;
    use px_store_rows::{Embedded, MemoryRows};

    use super::*;

    #[tokio::test]
    async fn a_right_that_is_gone_meanwhile_makes_no_token() {
        let store = Arc::new(Embedded::new(MemoryRows::new()));
        let tokens = Tokens::open(store, Arc::new(SystemClock), Arc::new(Ids::new())).await.unwrap();
        let make = |right| tokens.create_by(right, "x", Permission::Admin);
        let (first, _) = make(Right::First).await.unwrap();
        assert!(matches!(make(Right::First).await, Err(TokenError::NotFirst)));
        let (second, _) = make(Right::Token(first.id)).await.unwrap();
        tokens.revoke(first.id).await.unwrap();
        assert!(matches!(make(Right::Token(first.id)).await, Err(TokenError::Revoked)));
        assert!(make(Right::Token(second.id)).await.is_ok() && make(Right::Owner).await.is_ok());
        assert_eq!(tokens.list().len(), 3);
    }
}
