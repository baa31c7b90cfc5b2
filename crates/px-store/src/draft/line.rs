//! The lines of keys in a draft: who waits at a key, as the draft has left it so
//! far. The rows are read after the key's record, and another commit may come
//! between the two: then what is read does not fit the record, and since the
//! record's version is a precondition, nothing of this draft is committed.

use std::collections::BTreeMap;

use px_core::KeyId;
use px_core::key::{Candidates, KeyWait, Waiter, WaiterId};

use super::{Draft, DraftKey};
use crate::batch::WaiterWrite;
use crate::error::Error;

/// Number of places that are read at once where one of many is looked for.
const PAGE: usize = 64;

/// A place of a line, as this draft has read and left it.
#[derive(Debug, Default)]
struct Place {
    /// The waiter that the store has there.
    stored: Option<Waiter>,
    /// The waiter that is there now.
    waiter: Option<Waiter>,
}

/// The places of a key's line that this draft has read or changed.
#[derive(Debug, Default)]
pub(super) struct DraftLine {
    places: BTreeMap<u64, Place>,
    /// Those who are at these places.
    ids: BTreeMap<WaiterId, u64>,
    /// True if nobody is in the line but those who are here.
    is_whole: bool,
}

impl DraftLine {
    fn put(&mut self, place: u64, stored: Option<Waiter>, waiter: Waiter) {
        self.ids.insert(waiter.id(), place);
        self.places.insert(place, Place { stored, waiter: Some(waiter) });
    }

    /// Takes out somebody who would become a row.
    fn take_unstored(&mut self) -> Option<(u64, Waiter)> {
        let mut new = self.places.iter_mut().filter(|(_, place)| place.stored.is_none());
        new.find_map(|(at, place)| Some((*at, place.waiter.take()?)))
    }

    fn take(&mut self, place: u64, id: WaiterId) {
        self.ids.remove(&id);
        if let Some(place) = self.places.get_mut(&place) {
            place.waiter = None;
        }
    }
}

/// The changes of places, as a batch has them. Who is alone in a line, and no row
/// yet, goes into the record of the key.
pub(super) fn writes(
    lines: BTreeMap<KeyId, DraftLine>,
    keys: &mut BTreeMap<KeyId, Box<DraftKey>>,
) -> Vec<WaiterWrite> {
    let mut writes = Vec::new();
    for (key, mut line) in lines {
        if let Some(key) = keys.get_mut(&key).filter(|key| key.changed && key.record.line.count == 1)
            && let Some((place, waiter)) = line.take_unstored()
        {
            key.record.within = vec![(place, waiter)];
        }
        let changed = line.places.into_iter().filter(|(_, place)| place.stored != place.waiter);
        writes.extend(changed.map(|(place, Place { stored, waiter })| WaiterWrite {
            key: key.clone(),
            place,
            left: stored,
            entered: waiter,
        }));
    }
    writes
}

impl Draft<'_> {
    fn line(&mut self, key: &KeyId) -> &mut DraftLine {
        self.lines.entry(key.clone()).or_default()
    }

    /// Waiters within a record that changes become rows, if they do not stay alone.
    pub(super) fn move_to_line(&mut self, key: &KeyId, within: Vec<(u64, Waiter)>) {
        if within.is_empty() {
            return;
        }
        let line = self.line(key);
        line.is_whole = true;
        for (place, waiter) in within {
            line.put(place, None, waiter);
        }
    }

    /// Those in the line of a key from a place on, oldest first, at most `limit`:
    /// all, or those that want this token.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn waiters(
        &mut self,
        key: &KeyId,
        token: Option<&str>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Waiter)>, Error> {
        let record = self.key(key).await?;
        if record.line.is_empty() {
            return Ok(Vec::new());
        }
        if !record.within.is_empty() {
            return Ok(record.within_from(token, from).take(limit).cloned().collect());
        }
        let changed =
            |line: &DraftLine| line.places.range(from..).filter(|(_, at)| at.waiter.is_none()).count();
        let most = limit.saturating_add(self.lines.get(key).map_or(0, changed));
        let rows = match self.lines.get(key).is_some_and(|line| line.is_whole) {
            true => Vec::new(),
            false => self.store.waiters(self.scope, key, token, from, most).await?,
        };
        let end = rows.last().filter(|_| rows.len() == most).map_or(u64::MAX, |(place, _)| *place);
        let mut rows: BTreeMap<u64, Waiter> = rows.into_iter().collect();
        let changes = self.lines.get(key).map(|line| line.places.range(from..=end.max(from)));
        for (place, change) in changes.into_iter().flatten() {
            let waiter = change.waiter.as_ref();
            match waiter.filter(|waiter| token.is_none() || waiter.token() == token) {
                Some(waiter) => rows.insert(*place, waiter.clone()),
                None => rows.remove(place),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    /// The oldest waits of a key among which an event with this token chooses. A
    /// head that turns out to be further on moves on with the record's next change.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn candidates(&mut self, key: &KeyId, token: Option<&str>) -> Result<Candidates, Error> {
        let line = self.key(key).await?.line;
        let mut found = Candidates::default();
        if line.is_empty() {
            return Ok(found);
        }
        if line.free() > 0 {
            found.free = self.oldest_free(key, line.free_head, line.tokens > 0).await?;
            let place = found.free.as_ref().map_or(line.free_head, |(place, _)| *place);
            self.load_key(key).await?.record.line.free_head = place;
        }
        if let Some(token) = token.filter(|_| line.tokens > 0) {
            let bearing = self.waiters(key, Some(token), line.head, 1).await?;
            found.bearing = bearing.into_iter().find_map(wait_at);
        }
        if let Some((place, wait)) = found.fitting(token).cloned() {
            self.keep(key, place, Waiter::Wait(wait));
        } else {
            let oldest = self.waiters(key, None, line.head, 1).await?.into_iter().find_map(wait_at);
            let place = oldest.as_ref().map_or(line.head, |(place, _)| *place);
            self.load_key(key).await?.record.line.head = place;
            found.oldest = oldest.map(|(_, wait)| wait);
        }
        Ok(found)
    }

    /// Those that want a token are passed over once: the head moves behind them.
    async fn oldest_free(
        &mut self,
        key: &KeyId,
        mut from: u64,
        is_mixed: bool,
    ) -> Result<Option<(u64, KeyWait)>, Error> {
        let limit = if is_mixed { PAGE } else { 1 };
        loop {
            let page = self.waiters(key, None, from, limit).await?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            from = last + 1;
            let is_last = page.len() < limit;
            let mut free = page.into_iter().filter(|(_, waiter)| waiter.token().is_none());
            if let Some(found) = free.find_map(wait_at) {
                return Ok(Some(found));
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    /// Adds somebody to the line of a key, at the place that the record gave.
    pub(super) fn enter(&mut self, key: &KeyId, place: u64, waiter: Waiter) {
        let is_alone = self.keys.get(key).is_some_and(|key| key.record.line.count == 1);
        let line = self.line(key);
        line.is_whole |= is_alone;
        line.put(place, None, waiter);
    }

    /// Keeps what was read of a place, so that it need not be read again.
    pub(super) fn keep(&mut self, key: &KeyId, place: u64, waiter: Waiter) {
        if !self.line(key).places.contains_key(&place) {
            self.line(key).put(place, Some(waiter.clone()), waiter);
        }
    }

    /// Takes somebody out of the line of a key, who may not be in it any more.
    pub(super) async fn leave(&mut self, key: &KeyId, id: WaiterId) -> Result<(), Error> {
        // Those within the record come out of it first.
        self.change_key(key).await?;
        let Some((place, waiter)) = self.find(key, id).await? else { return Ok(()) };
        self.change_key(key).await?.line.leave(place, &waiter);
        self.keep(key, place, waiter);
        self.line(key).take(place, id);
        Ok(())
    }

    async fn find(&mut self, key: &KeyId, id: WaiterId) -> Result<Option<(u64, Waiter)>, Error> {
        let line = self.line(key);
        if let Some(place) = line.ids.get(&id).copied() {
            let there = line.places.get(&place).and_then(|place| place.waiter.clone());
            return Ok(there.map(|waiter| (place, waiter)));
        }
        if line.is_whole {
            return Ok(None);
        }
        let Some(place) = self.store.waiter_place(self.scope, key, id).await? else { return Ok(None) };
        let there = self.waiters(key, None, place, 1).await?.into_iter().next();
        Ok(there.filter(|(at, waiter)| *at == place && waiter.id() == id))
    }
}

fn wait_at((place, waiter): (u64, Waiter)) -> Option<(u64, KeyWait)> {
    waiter.wait().map(|wait| (place, wait))
}
