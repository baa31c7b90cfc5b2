//! Sessions that a logout has ended before their time: whoever still has the cookie's value is not let in by it.
//!
//! Each token that sessions were ended of has one value among those that outlive runs, under a title that no
//! brain can have: with it all processes of the store agree, a restart forgets nothing, and a request costs
//! one read. What would be over by itself is dropped. Of more than [`MAX_ENDED`] sessions of one token that would
//! not be over, all that were begun so far are ended, so that the value is bounded and no session comes back.

use px_core::{KvChange, KvId, Timestamp, TokenId};
use px_store::{Batch, Bound, Error, KvBatch, KvBrainWrite, KvWrite, Round};
use serde::{Deserialize, Serialize};

use super::keys::Claims;
use crate::app::App;

/// The title and the scope of these values.
const TITLE: &str = "";
const SCOPE: &str = "ended sessions";

/// Ended sessions of one token that are told apart.
const MAX_ENDED: usize = 100;

/// Values of other tokens that are looked at, whether all of them is over.
const AT_ONCE: usize = 100;

/// Maximum number of rounds in which an end is tried anew when others write the same value.
const ROUNDS: Bound = Bound::waiting(100);

/// The ended sessions of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    /// Every session that would end then or earlier.
    all_until: Timestamp,
    /// Single sessions: when each would end, and its number.
    sessions: Vec<(Timestamp, u64)>,
}

impl Ended {
    fn has(&self, claims: Claims) -> bool {
        claims.expires <= self.all_until || self.sessions.contains(&(claims.expires, claims.number))
    }

    fn add(&mut self, claims: Claims, now: Timestamp) {
        self.sessions.retain(|(expires, _)| *expires > now);
        self.sessions.push((claims.expires, claims.number));
        if self.sessions.len() > MAX_ENDED {
            let last = self.sessions.drain(..).map(|(expires, _)| expires).max();
            self.all_until = self.all_until.max(last.unwrap_or_default());
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.all_until <= now && self.sessions.iter().all(|(expires, _)| *expires <= now)
    }
}

fn row(token: TokenId) -> KvId {
    KvId { brain: TITLE.into(), scope: SCOPE.into(), key: token.to_string() }
}

fn read(id: &KvId, value: serde_json::Value) -> Result<Ended, Error> {
    serde_json::from_value(value)
        .map_err(|error| Error::Corrupt(format!("the ended sessions of {} do not parse: {error}", id.key)))
}

/// Returns whether a session was ended before its time.
pub(super) async fn is_ended(app: &App, claims: Claims) -> Result<bool, Error> {
    let id = row(claims.token);
    match app.store().kv().value(app.parts.scope, &id).await? {
        Some(found) => Ok(read(&id, found.record.value)?.has(claims)),
        None => Ok(false),
    }
}

/// Ends a session, durably.
pub(super) async fn end(app: &App, claims: Claims) -> Result<(), Error> {
    let ended = app.store().transact(ROUNDS, |_| async move {
        let (id, now, scope) = (row(claims.token), app.clock().now(), app.parts.scope);
        let kv = app.store().kv();
        let (version, mut ended) = match kv.value(scope, &id).await? {
            Some(found) => (found.version, read(&id, found.record.value)?),
            None => (0, Ended::default()),
        };
        if ended.has(claims) {
            return Ok(Round::Done(()));
        }
        ended.add(claims, now);
        // Its keys are texts.
        let value = serde_json::to_value(&ended).unwrap_or_default();
        let mut changes = vec![(id.clone(), version, KvChange::Put(value))];
        for (other, found) in kv.values(scope, TITLE, Some((SCOPE, "")), AT_ONCE).await? {
            if other.scope == SCOPE && other != id && read(&other, found.record.value)?.is_over(now) {
                changes.push((other, found.version, KvChange::Remove));
            }
        }
        Ok::<_, Error>(Round::Commit(Box::new(batch(app, changes, now).await?), ()))
    });
    ended.await
}

/// The commit of these changes, counted.
async fn batch(app: &App, changes: Vec<(KvId, u64, KvChange)>, at: Timestamp) -> Result<Batch, Error> {
    let (scope, version) = (app.parts.scope, || app.parts.ids.version(at));
    let added = changes.iter().filter(|(_, expected, _)| *expected == 0).count() as u64;
    let removed = changes.iter().filter(|(.., change)| *change == KvChange::Remove).count() as u64;
    let counted = app.store().kv().brain(scope, TITLE).await?;
    let (expected, before) = counted.map_or((0, 0), |read| (read.version, read.record.keys));
    let keys = (before + added).saturating_sub(removed);
    let write = KvBrainWrite { brain: TITLE.to_owned(), expected, version: version(), keys };
    let brains = if keys == before { Vec::new() } else { vec![write] };
    let changes = changes.into_iter();
    let values =
        changes.map(|(id, expected, change)| KvWrite { id, expected, version: version(), at, change });
    Ok(Batch { scope, kv: KvBatch { values: values.collect(), brains }, ..Batch::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(number: u64, expires: u64) -> Claims {
        let expires = Timestamp::from_millis(expires);
        Claims { token: TokenId::from_bytes([1; 16]), expires, number }
    }

    #[test]
    fn an_ended_session_stays_ended_however_many_follow_it() {
        let (now, mut ended) = (Timestamp::from_millis(1_000), Ended::default());
        for number in 0..1_000 {
            assert!(!ended.has(claims(number, 2_000 + number)));
            ended.add(claims(number, 2_000 + number), now);
            assert!((0..=number).all(|number| ended.has(claims(number, 2_000 + number))), "{number}");
            assert!(ended.sessions.len() <= MAX_ENDED);
        }
        assert!(!ended.has(claims(7, 9_000)), "one that was begun since");
    }

    #[test]
    fn what_is_over_by_itself_is_forgotten() {
        let mut ended = Ended::default();
        ended.add(claims(1, 2_000), Timestamp::from_millis(1_000));
        ended.add(claims(2, 4_000), Timestamp::from_millis(3_000));
        assert_eq!(ended.sessions.len(), 1);
        assert!(
            !ended.is_over(Timestamp::from_millis(3_999)) && ended.is_over(Timestamp::from_millis(4_000))
        );
    }
}
