//! The rows of lines: a row a waiter at its place, another one by which its id
//! finds that place, and, if it wants a token, a third one by which the token's
//! digest does.

use px_core::key::{Waiter, WaiterId};
use px_core::{KeyId, KeyRecord, RunId, Scope, WaitId};
use px_store::{Error, Table, WaiterWrite};
use sha2::{Digest as _, Sha256};

use crate::embedded::Embedded;
use crate::layout;
use crate::rows::{Backing, Order, RowKey};
use crate::translation::Translation;

/// Letters behind the names of a key, for what a place is found by.
const BY_WAIT: u8 = b'w';
const BY_RUN: u8 = b'r';
const BY_TOKEN: u8 = b't';

/// Bytes of a token's digest that a row has. Tokens that agree in these are told
/// apart at the waiter's own row.
const DIGEST_BYTES: usize = 16;

pub(crate) fn waiter_row(scope: Scope, key: &KeyId, place: u64) -> RowKey {
    let mut row = layout::two_texts(scope, Table::Waiter, &key.slug, &key.identifier);
    row.extend_from_slice(&place.to_be_bytes());
    row
}

/// The row by which a waiter's id finds its place, which is the row's value.
pub(crate) fn id_row(scope: Scope, key: &KeyId, id: WaiterId) -> RowKey {
    let mut row = layout::two_texts(scope, Table::WaiterPlace, &key.slug, &key.identifier);
    match id {
        WaiterId::Wait(wait, index) => {
            row.push(BY_WAIT);
            row.extend_from_slice(&wait.to_bytes());
            row.extend_from_slice(&index.to_be_bytes());
        }
        WaiterId::Turn(run) => {
            row.push(BY_RUN);
            row.extend_from_slice(&run.to_bytes());
        }
    }
    row
}

/// The row by which a token finds a place, which is at the row's end.
pub(crate) fn token_row(scope: Scope, key: &KeyId, token: &str, place: u64) -> RowKey {
    let digest = Sha256::digest(token.as_bytes());
    digest_row(scope, key, digest.get(..DIGEST_BYTES).unwrap_or_default(), place)
}

fn digest_row(scope: Scope, key: &KeyId, digest: &[u8], place: u64) -> RowKey {
    let mut row = layout::two_texts(scope, Table::WaiterPlace, &key.slug, &key.identifier);
    row.push(BY_TOKEN);
    row.extend_from_slice(digest);
    row.extend_from_slice(&place.to_be_bytes());
    row
}

/// A row of the table of places: the place that it finds, by which id if by one,
/// and the key that it should have.
pub(crate) fn read_place(
    scope: Scope,
    row: &[u8],
    value: &[u8],
) -> Result<(KeyId, u64, Option<WaiterId>, RowKey), Error> {
    let damaged = || Error::Corrupt("a place in a line is found by nothing".into());
    let (slug, identifier, rest) = layout::texts_of(row)?;
    let key = KeyId::new(slug, identifier);
    let (kind, rest) = rest.split_first().ok_or_else(damaged)?;
    if *kind == BY_TOKEN {
        let (digest, place) = rest.split_last_chunk::<8>().ok_or_else(damaged)?;
        let place = u64::from_be_bytes(*place);
        let expected = digest_row(scope, &key, digest, place);
        return Ok((key, place, None, expected));
    }
    let (id, index) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
    let id = match (*kind, index) {
        (BY_WAIT, index) => {
            let index = index.try_into().map_err(|_| damaged())?;
            WaiterId::Wait(WaitId::from_bytes(*id), u32::from_be_bytes(index))
        }
        (BY_RUN, []) => WaiterId::Turn(RunId::from_bytes(*id)),
        _ => return Err(damaged()),
    };
    let expected = id_row(scope, &key, id);
    Ok((key, layout::place_of(value)?, Some(id), expected))
}

impl Translation {
    /// Places of lines. Each write comes with one of its key, whose version is the
    /// precondition of both.
    pub(crate) fn waiters(&mut self, scope: Scope, writes: &[WaiterWrite]) -> Result<(), Error> {
        for WaiterWrite { key, place, left, entered } in writes {
            if let Some(left) = left {
                self.remove(id_row(scope, key, left.id()));
                if let Some(token) = left.token() {
                    self.remove(token_row(scope, key, token, *place));
                }
            }
            match entered {
                None => self.remove(waiter_row(scope, key, *place)),
                Some(waiter) => {
                    self.put(waiter_row(scope, key, *place), layout::json(waiter)?);
                    let value = place.to_be_bytes().to_vec();
                    self.put(id_row(scope, key, waiter.id()), value.into());
                    if let Some(token) = waiter.token() {
                        self.put(token_row(scope, key, token, *place), bytes::Bytes::new());
                    }
                }
            }
        }
        Ok(())
    }
}

impl<B: Backing> Embedded<B> {
    fn record_of_key(&self, scope: Scope, key: &KeyId) -> Result<KeyRecord, Error> {
        let row = self.backing().get(&layout::key_row(scope, key))?;
        layout::from_key_value(row).map(|read| read.record)
    }

    pub(crate) fn read_waiters(
        &self,
        scope: Scope,
        key: &KeyId,
        token: Option<&str>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Waiter)>, Error> {
        let record = self.record_of_key(scope, key)?;
        // Who is within is no row. The record is read first, since a waiter moves from it to
        // a row and never back.
        if !record.within.is_empty() {
            return Ok(record.within_from(token, from).take(limit).cloned().collect());
        }
        match token {
            None => {
                let (from, to) = (waiter_row(scope, key, from), waiter_row(scope, key, u64::MAX));
                let rows = self.backing().range(&from, &to, Order::Ascending, limit)?;
                let read = |(row, value): &(Vec<u8>, bytes::Bytes)| {
                    Ok((layout::place_of(row)?, layout::from_json(value)?))
                };
                rows.iter().map(read).collect()
            }
            Some(token) => self.bearing(scope, key, token, from, limit),
        }
    }

    fn bearing(
        &self,
        scope: Scope,
        key: &KeyId,
        token: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Waiter)>, Error> {
        let (mut from, to) = (token_row(scope, key, token, from), token_row(scope, key, token, u64::MAX));
        let mut found = Vec::new();
        loop {
            let rows = self.backing().range(&from, &to, Order::Ascending, limit)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            from = RowKey::from_slice(last);
            from.push(0);
            for (row, _) in &rows {
                let place = layout::place_of(row)?;
                let waiter =
                    self.record(&waiter_row(scope, key, place), |value| layout::from_json::<Waiter>(value))?;
                found.extend(
                    waiter.filter(|waiter| waiter.token() == Some(token)).map(|waiter| (place, waiter)),
                );
                if found.len() == limit {
                    return Ok(found);
                }
            }
        }
    }

    pub(crate) fn read_waiter_place(
        &self,
        scope: Scope,
        key: &KeyId,
        id: WaiterId,
    ) -> Result<Option<u64>, Error> {
        let record = self.record_of_key(scope, key)?;
        if let Some((place, _)) = record.within.iter().find(|(_, waiter)| waiter.id() == id) {
            return Ok(Some(*place));
        }
        self.backing().get(&id_row(scope, key, id))?.map(|row| layout::place_of(&row)).transpose()
    }
}
