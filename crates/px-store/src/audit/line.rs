//! The lines of keys: who waits at one has the wait open, or takes turns there,
//! is found by id and by token, and is counted by the key.

use std::collections::BTreeSet;

use px_core::key::{KeyWait, Waiter, WaiterId, token_fits};
use px_core::{KeyId, KeyRecord, RunStatus};

use super::{Audit, Rule, readable};
use crate::error::Error;

/// Number of waiters that are read at once to find one that a token fits.
const PAGE: usize = 64;

/// The line of one key, as far as it has been gone through.
#[derive(Debug)]
pub(super) struct Passed {
    key: KeyId,
    record: Option<KeyRecord>,
    first: u64,
    last: u64,
    count: u64,
    tokens: u64,
    /// The lowest place of one that wants no token.
    free: Option<u64>,
    holding: u64,
}

impl Audit<'_> {
    /// A place of a line; they come in the order of keys and places.
    pub(super) async fn waiter(&mut self, key: KeyId, place: u64, waiter: &Waiter) -> Result<(), Error> {
        self.report.counts.waiters += 1;
        if self.line.as_ref().is_some_and(|line| line.key != key) {
            self.end_of_line().await?;
        }
        if self.line.is_none() {
            let read = readable(self.store.key(self.scope, &key).await)?;
            let record = (read.version != 0).then_some(read.record);
            let passed = Passed {
                key: key.clone(),
                record,
                first: place,
                last: place,
                count: 0,
                tokens: 0,
                free: None,
                holding: 0,
            };
            self.line = Some(passed);
        }
        let mut has_turn = false;
        if let Some(line) = &mut self.line {
            line.last = place;
            line.count += 1;
            line.tokens += u64::from(waiter.token().is_some());
            if waiter.token().is_none() {
                line.free.get_or_insert(place);
            }
            if let Waiter::Turn(_) = waiter {
                let admitted = line.record.as_ref().map_or(0, |record| record.line.admitted);
                line.holding += u64::from(place < admitted);
                has_turn = place < admitted;
            }
        }
        let found = readable(self.store.waiter_place(self.scope, &key, waiter.id()).await)?;
        let by_token = match waiter.token() {
            None => true,
            token => {
                let there = readable(self.store.waiters(self.scope, &key, token, place, 1).await)?;
                there.first().is_some_and(|(at, _)| *at == place)
            }
        };
        if found != Some(place) || !by_token {
            let detail = if by_token { "by its id" } else { "by its token" };
            self.about_key(Rule::WaiterUnfound, detail, &key, [("run", waiter.run().to_string())]);
        }
        self.in_line(&key, waiter, has_turn).await
    }

    /// Somebody in a line: the run says so too. `has_turn` is of those who take
    /// turns.
    pub(super) async fn in_line(
        &mut self,
        key: &KeyId,
        waiter: &Waiter,
        has_turn: bool,
    ) -> Result<(), Error> {
        let run = self.run_of(waiter.run()).await?.filter(|run| !run.status.is_terminal());
        match waiter {
            Waiter::Wait(open) => {
                let registration = run
                    .as_ref()
                    .and_then(|run| run.wait(open.wait))
                    .and_then(|wait| wait.registrations.get(open.index as usize));
                if registration.is_none_or(|there| there.key != *key || there.token != open.token) {
                    let ids = [("run", open.run.to_string()), ("wait", open.wait.to_string())];
                    self.about_key(Rule::StrayWait, "", key, ids);
                }
            }
            Waiter::Turn(id) => {
                let takes_turns = run.is_some_and(|run| {
                    let is_pending = run.status == RunStatus::Pending;
                    run.slot.as_ref() == Some(key) && has_turn != is_pending
                });
                if !takes_turns {
                    self.about_key(Rule::StrayTurn, "", key, [("run", id.to_string())]);
                }
            }
        }
        Ok(())
    }

    /// Of those within a record nobody is there twice, and the record counts them.
    pub(super) fn within(&mut self, key: &KeyId, record: &KeyRecord) {
        let (line, mut seen) = (record.line, BTreeSet::new());
        for (_, waiter) in record.within.iter().filter(|(_, waiter)| !seen.insert(waiter.id())) {
            self.about_key(Rule::StrayWait, "twice", key, [("run", waiter.run().to_string())]);
        }
        let is_outside = |(place, _): &&(u64, Waiter)| *place < line.head || *place >= line.next;
        if !record.within.is_empty()
            && (line.count != record.within.len() as u64 || record.within.iter().any(|one| is_outside(&one)))
        {
            let detail =
                format!("it says {} from {} below {}, and is not so", line.count, line.head, line.next);
            self.about_key(Rule::LineCount, &detail, key, []);
        }
    }

    /// A place that is found by an id or a token: there is somebody.
    pub(super) async fn waiter_place(
        &mut self,
        key: &KeyId,
        place: u64,
        id: Option<WaiterId>,
    ) -> Result<(), Error> {
        let there = readable(self.store.waiters(self.scope, key, None, place, 1).await)?.into_iter().next();
        let there = there.filter(|(at, _)| *at == place).map(|(_, waiter)| waiter);
        let is_it = |waiter: &Waiter| match id {
            Some(id) => waiter.id() == id,
            None => waiter.token().is_some(),
        };
        if !there.as_ref().is_some_and(is_it) {
            self.about_key(Rule::StrayPlace, "", key, [("place", place.to_string())]);
        }
        Ok(())
    }

    /// After the last place of a line: the key knows it as it is.
    pub(super) async fn end_of_line(&mut self) -> Result<(), Error> {
        let Some(passed) = self.line.take() else { return Ok(()) };
        let Some(record) = &passed.record else {
            self.about_key(Rule::LineWithoutKey, "", &passed.key, []);
            return Ok(());
        };
        let line = record.line;
        let is_right = record.within.is_empty()
            && line.count == passed.count
            && line.tokens == passed.tokens
            && line.holding == passed.holding
            && line.head <= passed.first
            && passed.free.is_none_or(|free| line.free_head <= free)
            && line.next > passed.last;
        if !is_right {
            let detail = format!(
                "it says {} from {} below {}, {} with tokens, {} whose turn it is, and there are {} from {} to {}, {} and {}",
                line.count,
                line.head,
                line.next,
                line.tokens,
                line.holding,
                passed.count,
                passed.first,
                passed.last,
                passed.tokens,
                passed.holding
            );
            self.about_key(Rule::LineCount, &detail, &passed.key, []);
        }
        Ok(())
    }

    /// The oldest wait of a key that an event with this token fits.
    pub(super) async fn oldest_fitting(
        &self,
        key: &KeyId,
        token: Option<&str>,
    ) -> Result<Option<KeyWait>, Error> {
        let mut from = 0;
        loop {
            let page = readable(self.store.waiters(self.scope, key, None, from, PAGE).await)?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            from = last + 1;
            let mut waits = page.into_iter().filter_map(|(_, waiter)| waiter.wait());
            if let Some(wait) = waits.find(|wait| token_fits(wait.token.as_deref(), token)) {
                return Ok(Some(wait));
            }
        }
    }
}
