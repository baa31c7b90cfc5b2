//! Access to the API. Without a token, only this machine; with one, whoever
//! has one that permits it. Webhooks are not asked here: their own
//! verification is. Who this machine is, `px_inbound::verify::local` decides.
//!
//! The tokens lie in the store. This process remembers them with their epoch,
//! which it asks for at each request, so that one which was revoked elsewhere
//! opens nothing here; whatever changes them demands the epoch that it read.

mod secret;

use std::sync::Arc;

use http::HeaderMap;
use px_core::{Clock, Ids, Scope, TokenId};
use px_store::tokens::{MAX_TOKENS, Permission, Token, TokenWrite};
use px_store::{Batch, Bound, Contended, Epoch, EpochWrite, Round, RoundError, Store, Versioned, Watched};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use secret::{Presented, digest};

/// The longest name of a token, characters.
const MAX_NAME: usize = 100;

/// Maximum number of rounds in which a change is tried anew when other processes change the tokens too.
const ROUNDS: Bound = Bound::waiting(100);

/// The tokens of one store.
pub struct Tokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    known: Watched<Vec<Versioned<Token>>>,
    /// Changes, one at a time.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("count", &self.list().len()).finish_non_exhaustive()
    }
}

/// Reason that a token is not made or revoked.
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

impl From<Contended> for TokenError {
    fn from(contended: Contended) -> Self {
        Self::Store(contended.into())
    }
}

impl RoundError for TokenError {}

/// Permission of a request's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There are no tokens.
    NoTokens,
    /// The request has none, or none that is valid.
    Unknown,
    /// The request has a valid token, with this permission.
    Known(TokenId, Permission),
}

/// Right by which a token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// A process that has the store itself open, as the command line has.
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
        let tokens = Self { store, clock, ids, known: Watched::default(), changing: Mutex::default() };
        tokens.refresh().await?;
        Ok(tokens)
    }

    /// Every token, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Token> {
        self.known().iter().map(|token| token.record.clone()).collect()
    }

    /// As they were at the last look.
    fn known(&self) -> Arc<Vec<Versioned<Token>>> {
        self.known.last().map(|(_, known)| known).unwrap_or_default()
    }

    /// Looks whether another process has changed them, and gives them with the
    /// epoch that they are of.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn refresh(&self) -> Result<(u64, Arc<Vec<Versioned<Token>>>), px_store::Error> {
        let at = (&*self.store, Scope::default(), Epoch::Tokens);
        self.known.get(at, async || self.store.tokens(Scope::default(), MAX_TOKENS).await).await
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
        let created = self.store.transact(ROUNDS, |_| async move {
            let (epoch, known) = self.refresh().await?;
            may_create(&known, right, permission)?;
            let now = self.clock.now();
            let id = self.ids.token(now);
            let (text, digest) = secret::make(id);
            let token = Token { id, name: name.to_owned(), permission, digest, created_at: now };
            let version = self.ids.version(now);
            let batch = self.batch(TokenWrite::Create(token.clone(), version), epoch);
            Ok::<_, TokenError>(Round::Commit(Box::new(batch), (token, text)))
        });
        let created = created.await?;
        self.read_anew().await?;
        Ok(created)
    }

    /// Removes a token: what it opened is closed from now on.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn revoke(&self, id: TokenId) -> Result<Token, TokenError> {
        let _alone = self.changing.lock().await;
        let removed = self.store.transact(ROUNDS, |_| async move {
            let (epoch, known) = self.refresh().await?;
            let token = known.iter().find(|token| token.record.id == id).cloned();
            let token = token.ok_or(TokenError::NotFound(id))?;
            let batch = self.batch(TokenWrite::Remove(id, token.version), epoch);
            Ok::<_, TokenError>(Round::Commit(Box::new(batch), token.record))
        });
        let removed = removed.await?;
        self.read_anew().await?;
        Ok(removed)
    }

    /// A change of the tokens as they were at an epoch: it meets a conflict if another process was first.
    fn batch(&self, write: TokenWrite, epoch: u64) -> Batch {
        let next = Some(self.ids.version(self.clock.now()));
        let epochs = vec![EpochWrite { epoch: Epoch::Tokens, expected: Some(epoch), next }];
        Batch { scope: Scope::default(), tokens: vec![write], epochs, ..Batch::default() }
    }

    /// Reads the tokens after a change of this process, without a request that asks for them.
    async fn read_anew(&self) -> Result<(), px_store::Error> {
        // Before the tokens, which may be newer then, and never older.
        let now = self.store.epoch(Scope::default(), Epoch::Tokens).await?;
        let tokens = self.store.tokens(Scope::default(), MAX_TOKENS).await?;
        self.known.remember(now, Arc::new(tokens));
        Ok(())
    }

    /// Returns what the token of a request permits. Its secret is compared in a time
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

    /// The token that a text is, if it is one.
    pub(crate) fn of_text(&self, text: &SecretString) -> Option<Token> {
        let known = self.known();
        let presented = Presented::parse(secrecy::ExposeSecret::expose_secret(text))?;
        let found = known.iter().find(|token| token.record.id == presented.id);
        let wanted = found.map_or([0; 32], |token| token.record.digest);
        let is_it = bool::from(digest(presented.secret).ct_eq(&wanted));
        found.filter(|_| is_it).map(|token| token.record.clone())
    }

    /// A token by its id, as of the last look.
    pub(crate) fn known_token(&self, id: TokenId) -> Option<Token> {
        self.known().iter().find(|token| token.record.id == id).map(|token| token.record.clone())
    }

    /// Returns whether a right that was found earlier still permits this: its token
    /// is still there, or there is still none.
    pub(crate) fn permits(&self, right: Right, permission: Permission) -> bool {
        let known = self.known();
        match right {
            Right::Owner => true,
            Right::First => known.is_empty(),
            Right::Token(id) => {
                known.iter().any(|token| token.record.id == id && token.record.permission >= permission)
            }
        }
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }
}

/// Checks that a token of this permission may be made by this right, as the tokens are.
fn may_create(known: &[Versioned<Token>], right: Right, permission: Permission) -> Result<(), TokenError> {
    let is_there = |id| known.iter().any(|token| token.record.id == id);
    match right {
        Right::First if !known.is_empty() => Err(TokenError::NotFirst),
        Right::Token(id) if !is_there(id) => Err(TokenError::Revoked),
        _ if known.is_empty() && permission != Permission::Admin => Err(TokenError::FirstIsNotAdmin),
        _ if known.len() >= MAX_TOKENS => Err(TokenError::TooMany),
        Right::Owner | Right::First | Right::Token(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use px_core::SystemClock;
    use px_store_rows::{Embedded, MemoryRows};
    use px_testkit::FaultyStore;

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

    #[tokio::test]
    async fn what_another_process_does_to_the_tokens_counts_here_at_once() {
        let rows = MemoryRows::new();
        let open = |rows| async {
            let store = Arc::new(Embedded::new(rows));
            Tokens::open(store, Arc::new(SystemClock), Arc::new(Ids::new())).await.unwrap()
        };
        let (one, other) = (open(rows.clone()).await, open(rows.beside()).await);
        let (first, secret) = one.create_by(Right::First, "x", Permission::Admin).await.unwrap();
        let late = other.create_by(Right::First, "y", Permission::Admin).await;
        assert!(matches!(late, Err(TokenError::NotFirst)), "there is one first token, whoever makes it");
        let mut headers = HeaderMap::new();
        let line = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&secret));
        headers.insert(http::header::AUTHORIZATION, line.parse().unwrap());
        other.refresh().await.unwrap();
        assert_eq!(other.verdict(&headers), Verdict::Known(first.id, Permission::Admin));
        one.create_by(Right::Token(first.id), "z", Permission::Admin).await.unwrap();
        one.revoke(first.id).await.unwrap();
        assert_eq!(other.verdict(&headers), Verdict::Known(first.id, Permission::Admin), "not asked yet");
        other.refresh().await.unwrap();
        assert_eq!(other.verdict(&headers), Verdict::Unknown);
        let by_revoked = other.create_by(Right::Token(first.id), "w", Permission::Admin).await;
        assert!(matches!(by_revoked, Err(TokenError::Revoked)));
        assert!(matches!(other.revoke(first.id).await, Err(TokenError::NotFound(_))));
    }

    /// Returns whether another process, once it has looked, lets in by a token that was
    /// revoked here, and whether it makes a second first token.
    async fn what_another_process_takes_for_true(wrong: bool) -> (bool, bool) {
        let rows = MemoryRows::new();
        let open = async |rows| {
            let store = FaultyStore::new(Arc::new(Embedded::new(rows)));
            if wrong {
                store.detour(|inner, batch, admission| {
                    inner.commit(Batch { epochs: Vec::new(), ..batch }, admission)
                });
            }
            Tokens::open(Arc::new(store), Arc::new(SystemClock), Arc::new(Ids::new())).await.unwrap()
        };
        let (one, other) = (open(rows.clone()).await, open(rows.beside()).await);
        let (_, secret) = one.create_by(Right::First, "x", Permission::Admin).await.unwrap();
        let makes_first = other.create_by(Right::First, "y", Permission::Admin).await.is_ok();
        // From here on it knows all tokens.
        let knows = Tokens { known: Watched::default(), ..other };
        knows.refresh().await.unwrap();
        let mut headers = HeaderMap::new();
        let line = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&secret));
        headers.insert(http::header::AUTHORIZATION, line.parse().unwrap());
        let Verdict::Known(id, _) = knows.verdict(&headers) else { panic!("it is a token") };
        one.revoke(id).await.unwrap();
        knows.refresh().await.unwrap();
        (matches!(knows.verdict(&headers), Verdict::Known(..)), makes_first)
    }

    #[tokio::test]
    async fn w4_tokens_are_what_they_are_at_every_process() {
        assert_eq!(what_another_process_takes_for_true(false).await, (false, false));
    }

    #[tokio::test]
    async fn w4_a_store_whose_commits_leave_the_epoch_of_tokens_is_caught() {
        assert_eq!(what_another_process_takes_for_true(true).await, (true, true));
    }
}
